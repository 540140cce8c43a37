"""The driver behind tools/chaos: random signals and commands to a service that is under load, and the count
of what is left.

``plan`` draws what will be done from a seed, ``inflict`` does it, ``clients`` send requests meanwhile,
``service`` is the process and what /proc says of it, ``verdict`` says what is wrong. A new kind of havoc is
one entry in ``plan.KINDS`` and one in ``inflict``.
"""
