"""The trainer: a snapshot, a base and TrainArgs become a LoRA adapter, in a child process of its own.

  job.py       what is handed over: the job file and the metrics file
  snapshot.py  the snapshot folder, read and checked
  plan.py      hyper-parameters, each with its reason
  rows.py      rows to token ids with an exact mask, and batches of them
  model.py     the base with a LoRA; log-probabilities of the answers only; sample answers
  loss.py      the joint loss over the roles that rows have
  loop.py      the steps, with tune loss and the best kept
  save.py      the adapter folder
  __main__.py  the process: python -m ftchat.training JOB.json

`job`, `snapshot` and `plan` import no torch, so that the app can use them. The trainer writes files only: it knows no
database, no engine and no page.
"""
