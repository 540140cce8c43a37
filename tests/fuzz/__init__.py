"""The differential fuzzer: what the server accepts, two other parsers must read alike.

mutator   raw requests, made of the corpus and broken at the joints of HTTP
model     what the reader makes of a connection's bytes
oracles   what httptools and h11 make of them
compare   where they differ, and which differences are explained
live      the same bytes against a running server
__main__  tools/fuzz
"""
