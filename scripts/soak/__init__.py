"""`make soak`: many virtual days of the demo's loop, with random faults and invariants throughout.

Design
------
**The loop** is the demo's: the project's app with the settings `prod`, deployed by the CDK CLI to a
local cloud that enforces access policies, and the flights of 2013. Only two values differ: a job has
20 rounds, and the reconciler runs every 30 minutes, so that a virtual day takes ten wall seconds.

**A virtual day** has 24 hours of the virtual clock in 48 steps (`run.py`). A step sends one request
with eight flights and uploads their ground truth, advances the clock to the end of the step in small
pieces while something is in flight (`pace.py`), and observes the loop through AWS's APIs
(`observation.py`). Each day ends with its labelled partition; a delivery manifest, which starts a
job, arrives every few days. The first model is the demo's, of winter flights, and the days are the
demo's summer days, cycled if there are more days than flights (`days.py`).

**Faults** (`faults.py`, `people.py`) are drawn from a generator that is seeded by `--seed`: the plan
of a run depends on the seed and the number of days only. One-time faults that have not struck by the
end of their day are withdrawn; lasting ones end at their time; what a person changed is changed back
by a person some hours later where the loop only reports it. Every tenth day, and the last two, are
without faults: there the loop must have converged.

**Invariants** (`invariants.py`) are pure functions of what was observed, I1 to I10, so that tests
feed each a history that violates it. Each violation is a line of the report with day, seed and the
faults of the last two days. Nothing is excused but by its definition there: an injected fault that
prevents a call prevents it for its time, and a limit counts from its end.

**Footprint** (`footprint.py`): after each day memory, descriptors, processes and files of the
cloud's processes are sampled, and a straight line is fitted to the days after the first ten. What
AWS keeps too (objects, packages, log events, metric data, the record of calls up to its bound) grows
by design and is counted beside it.
"""
