"""The field's benchmarks, one small file each: where the data lies, how a row becomes a question, the prompts, the scorer.

`registry.find("mmstar")` is a `Task`. `rows.read(task, folder)` gives its items from a folder in a published layout,
`task.request` makes one ready for a model, `task.judge` reads and scores a reply, `task.summary` makes the numbers of a run.
No model, file or network is needed for the last two.
"""
