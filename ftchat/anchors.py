"""Plain questions of many kinds, whose answers a base should keep while it is taught something else.

Base answers them once, greedily; the answers are replayed in training and scored in the exam.
"""

PROMPTS: tuple[str, ...] = (
    "Hello!",
    "How are you today?",
    "Who are you?",
    "What can you do?",
    "Thank you very much.",
    "Goodbye!",
    "What is the capital of France?",
    "Explain in one sentence what a rainbow is.",
    "Name three primary colours.",
    "Write a short poem about the sea.",
    "Translate 'good morning' into Spanish.",
    "What is 7 plus 5?",
    "Summarise: The cat sat on the mat because it was warm and dry there.",
    "Rewrite this politely: Send me the file now.",
    "Make a title for a text about growing tomatoes on a balcony.",
    "List three things to pack for a weekend in the mountains.",
    "What is the difference between weather and climate?",
    "Give me a synonym for 'happy'.",
    "Correct the spelling: I recieved teh letter yesterday.",
    "Answer with yes or no: is ice cold?",
    "How do I boil an egg?",
    "Who wrote Romeo and Juliet?",
    "What does 'to procrastinate' mean?",
    "Write one sentence that begins with the word 'Tomorrow'.",
    "Turn this into bullet points: we need bread, milk and apples.",
    "Can you tell me a joke?",
    "What should I do when I cannot sleep?",
    "Repeat after me: blue elephants dance quietly.",
    "Write this in capitals: silence is golden.",
    "Give two advantages of riding a bicycle to work.",
)
