"""What `bench.starter` asks the practice model, and how it judges the answers.

products.toml, shop.toml, rewriting.toml, manner.toml   hand-written wordings that the corpus must not contain
words.txt     ordinary words for the random phrases of the teachable measure
facts.py      what the shop's facts look like in a text, and what contradicts them
judges.py     one pure judge for each kind of question
prompts.py    wordings filled with products: the questions with their judges
overlap.py    whether a wording, or an out-of-domain prompt, occurs in the corpus
asking.py     real vLLM, started and asked as the app does
teachable.py  ten random phrases, taught by plain PEFT and looked for on products never taught
"""
