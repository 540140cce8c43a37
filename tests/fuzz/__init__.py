"""The differential fuzzer: what the server accepts, two other parsers must read alike.

faults    what can be wrong with a request, each at one joint of HTTP
mutator   raw requests, made of the corpus and of attacks, with faults
model     what the reader makes of a connection's bytes
oracles   what httptools and h11 make of them
compare   where they differ
explained the differences that are wanted, each with its reason
live      the same bytes against a running server
report    a finding as a case of the corpus
__main__  tools/fuzz
"""
