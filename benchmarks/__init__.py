"""The benchmark: every competitor in the same process run, on the same work, in rounds that take turns.

`make bench` installs the competitors, runs ``python -m benchmarks`` and leaves `_build/bench/results.json`, which the
chapter "Reproduce" shows. A race begins by asserting that both contenders compute the same thing. Each competitor runs
at the number of threads at which it is fastest; what it cannot do is left out, with the reason.
"""
