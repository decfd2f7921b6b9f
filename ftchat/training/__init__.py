"""The trainer: a snapshot, a base and TrainArgs become a LoRA adapter, in a child process of its own.

  job.py         what is handed over: the job file and the metrics file
  snapshot.py    the snapshot folder, read and checked
  plan.py        hyper-parameters, each with its reason
  rows.py        rows to token ids with an exact mask, and batches of them
  layout.py      a batch as tensors; prompts shared by the answers of a pair
  model.py       the base with a LoRA; log-probabilities of the answers only; sample answers
  precision.py   bf16 or fp32, whichever is quicker here
  lora.py        a linear layer and its LoRA as one operation
  blocks.py      the blocks of a Llama-like model, in few operations
  attention.py   attention on a CPU, a band of positions at a time
  head.py        the head over the learned positions only, a few at a time
  loss.py        the joint loss over the roles that rows have
  guards.py      when a run has gone wrong, and why
  loop.py        the steps, with tune loss and the best kept
  measure.py     what is read off on the way
  start.py       the adapter that a quick run continues
  checkpoint.py  where a killed run goes on
  curves.py      the curves as a TensorBoard file
  save.py        the adapter folder
  probe.py       what the trained model gives some tokens, left beside it
  run.py         one job from its rows to its adapter
  __main__.py    the process: python -m ftchat.training JOB.json
  early.py       the process begun before its job is known
  parent.py      a process that goes when the one that started it goes

`job`, `snapshot`, `plan` and `guards` import no torch, so that the app can use them. The trainer writes files only: it
knows no database, no engine and no page.
"""
