"""`make soak`: virtual days of the demo's loop, with random faults and invariants throughout.

Design
------
**The loop** is the demo's: the project's app with the settings `prod`, deployed by the CDK CLI to
a local cloud that enforces access policies, and the flights of 2013. Two values differ: a job has
20 rounds, and the reconciler runs every hour, so that a virtual day takes ten seconds of CPU.

**A virtual day** has 24 hours of the virtual clock in 24 steps (`run.py`). A step sends one request
with eight flights and uploads their ground truth, advances the clock to the end of the step, in
small pieces while something is in flight (`pace.py`), and observes the loop through AWS's APIs
(`observation.py`). Each day has its labelled partition; a delivery manifest, which starts a job,
arrives every four days. The first model is the demo's, of winter flights, and the days are the
demo's summer days, followed by those of the rest of the year, and cycled after a year (`days.py`).

**Faults** (`faults.py`, `people.py`) are drawn from a generator that is seeded by `--seed`: the
plan (`plan.py`) depends on the seed and the number of days only. One-time faults that have not
struck by the end of their day are withdrawn; lasting ones end at their time; what a person changed
and the loop only reports is changed back some hours later, by a person. Every tenth day and the
last two are without faults: there the loop must have converged.

**Invariants** (`invariants.py`) are pure functions of what was observed, I1 to I10, so that tests
feed each a history that violates it. Each violation is listed with its day, the seed and the recent
faults. An injected fault that prevents a call prevents it for its time, and a limit counts from the
end of that time; nothing else is excused.

**Footprint** (`footprint.py`): after each day memory, descriptors, threads, processes and files of
the cloud's processes are sampled, and a straight line is fitted to the days after the first ten.
What grows by design is counted apart: objects and packages, which AWS keeps too, and the cloud's
record of calls and decisions, which is bounded.
"""
