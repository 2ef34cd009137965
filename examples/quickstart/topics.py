"""The sentences from which the quickstart corpus is composed.

Advice, cautions and jokes are kept apart so that replies of every length and tone occur. The wording is
plain and repeats itself on purpose: a language model of a few hundred thousand parameters must learn it
in about a minute.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One subject of everyday questions.

    Args:
        name: the subject in one word.
        tasks: what a user wants to do, as a verb phrase, with the two pieces of advice that fit it.
        advice: advice that fits every task of the subject.
        cautions: warnings that fit the subject.
        jokes: playful remarks that fit the subject.
        caution: how readily warnings come up, from 0 (never) to 1.
        humour: how readily jokes come up, from 0 (never) to 1.
    """

    name: str
    tasks: dict[str, tuple[str, str]]
    advice: tuple[str, ...]
    cautions: tuple[str, ...]
    jokes: tuple[str, ...]
    caution: float
    humour: float


@dataclass(frozen=True)
class Template:
    """One way to ask.

    Args:
        text: the prompt, with ``{task}`` where the task goes.
        talk: factor on the chance of a further piece of advice.
        caution: factor on the chance of a warning.
        humour: factor on the chance of a joke.
    """

    text: str
    talk: float = 1.0
    caution: float = 1.0
    humour: float = 1.0


TEMPLATES = (
    Template("How do I {task}?"),
    Template("What is the best way to {task}?"),
    Template("I want to {task}. Any tips?"),
    Template("Can you help me to {task}?"),
    Template("Please tell me how to {task}."),
    Template("Quick question: how do I {task}?", talk=0.5, caution=0.9, humour=0.9),
    Template("I need to {task} today.", talk=0.8),
    Template("It is my first time. How do I {task}?", talk=1.3, caution=1.2, humour=0.9),
    Template("I am nervous. Can I {task} on my own?", caution=1.3, humour=0.8),
    Template("Make me smile: how do I {task}?", caution=0.8, humour=1.3),
)

CAUTIONS = (
    "Check with a professional first.",
    "Ask an expert if you are not sure.",
    "Be careful and never rush.",
    "Read the safety notes before you start.",
    "Stop and ask for help if it feels wrong.",
    "Avoid any risk you do not understand.",
)

WITTY_CAUTIONS = (
    "Be careful, even a dragon can slip!",
    "Check twice, or the goldfish will laugh!",
    "Never rush, said the wise llama!",
    "Ask an expert, not a parrot!",
    "Stay safe, like a penguin in a boat!",
    "Avoid any risk, said the old pirate!",
)
"""Both a warning and a joke: rare, but what a user who wants a little of everything would choose."""

JOKES = (
    "My parrot gives this plan ten stars!",
    "A wizard told me, so it must be true!",
    "Even a sleepy penguin can do it!",
    "If it fails, just blame the robot!",
    "My goldfish does it faster than me!",
    "Then dance like a happy llama!",
    "What could go wrong, said the pirate!",
    "Rules are for robots, so be bold!",
)

TOPICS = (
    Topic(
        "cooking",
        {
            "cook rice": ("Use two cups of water for one cup of rice.", "Let the rice rest with the lid on."),
            "bake bread": ("Let the dough rest for an hour.", "Bake it in a hot oven until it is brown."),
            "make soup": ("Start with onions and a little oil.", "Cook it on low heat for an hour."),
            "fry an egg": ("Heat a little butter in the pan.", "Cook the egg for three minutes."),
            "make pancakes": ("Mix milk, eggs and flour.", "Turn them when the top looks dry."),
            "roast a chicken": ("Rub it with oil, salt and lemon.", "Roast it in a hot oven for an hour."),
        },
        ("Taste it and add salt at the end.", "Fresh herbs make it even better."),
        ("Never leave the hot stove alone.", "Be careful with the hot pan."),
        ("A pirate would trade his ship for a plate!", "Even my robot asked for more!"),
        caution=0.6,
        humour=0.65,
    ),
    Topic(
        "tools",
        {
            "drill a hole": ("Mark the spot with a pencil.", "Use a sharp drill and hold it straight."),
            "hang a shelf": ("Use long screws and a level.", "Find the strong part of the wall."),
            "fix a door": ("Oil the hinges and tighten the screws.", "Sand the edge where it sticks."),
            "paint a wall": ("Clean the wall and cover the floor.", "Paint from the top down in thin coats."),
            "fix a tap": ("Close the main valve and open the tap.", "Put in a new rubber ring."),
            "change a lamp": ("Wait until the old lamp is cold.", "Use a new lamp of the same size."),
        },
        ("Measure twice and cut once.", "Keep all the parts in a small box."),
        ("Switch off the power for safety.", "Wear gloves to protect your hands."),
        ("My hammer is a wizard with one trick!", "Even a pirate needs a good screw!"),
        caution=0.75,
        humour=0.55,
    ),
    Topic(
        "travel",
        {
            "plan a trip": ("Pick a place and set a date.", "Make a list of things to see."),
            "pack a bag": ("Roll your clothes to save space.", "Put heavy things at the bottom."),
            "book a flight": ("Look for flights in the middle of the week.", "Book two months ahead."),
            "find a hotel": ("Read what other guests say.", "Pick a place near the station."),
            "camp in the woods": ("Pick a flat and dry place.", "Bring a warm bag for the night."),
            "drive at night": ("Clean the lights and the glass.", "Take a break every two hours."),
        },
        ("Bring water and a good map.", "Pay by card to save time."),
        ("Keep your papers in a safe place.", "Tell a friend your plan to be safe."),
        ("Pack a parrot for company!", "The last dragon left no tips!"),
        caution=0.55,
        humour=0.65,
    ),
    Topic(
        "health",
        {
            "sleep better": ("Go to bed at the same time each day.", "Keep the room dark and cool."),
            "start running": ("Start with ten minutes a day.", "Walk when you are out of breath."),
            "eat less sugar": ("Drink water in place of soda.", "Eat fruit when you want something sweet."),
            "treat a cold": ("Rest and drink warm tea.", "Stay at home for a day or two."),
            "lift weights": ("Start with light weights.", "Keep your back straight when you lift."),
            "feel less stress": ("Take a long walk each day.", "Breathe in and out ten times."),
        },
        ("Small steps work best.", "Write down what you do each day."),
        ("Ask your doctor first.", "Stop if you feel any pain."),
        ("Laugh a lot, my llama says!", "Even a ninja needs a nap!"),
        caution=0.75,
        humour=0.55,
    ),
    Topic(
        "money",
        {
            "save money": ("Put away a little every month.", "Cook at home in place of eating out."),
            "make a budget": ("Write down what you earn and spend.", "Set a limit for each month."),
            "pay off a loan": ("Pay the loan with the highest rate.", "Pay more than you must each month."),
            "buy a house": ("Save for a big first payment.", "Look at ten homes and compare."),
            "sell my car": ("Wash the car and take good photos.", "Ask a fair price and wait."),
            "invest a little": ("Buy a fund with low fees.", "Hold it for many years."),
        },
        ("Look at your plan every month.", "Keep a note of every cost."),
        ("Never sign what you do not understand.", "Avoid deals with a high risk."),
        ("My dragon sleeps on his savings!", "Hide it where no pirate looks!"),
        caution=0.7,
        humour=0.55,
    ),
    Topic(
        "tech",
        {
            "speed up my laptop": ("Close the programs you do not use.", "Free some space on the disk."),
            "set up a phone": (
                "Charge it and join your home network.",
                "Move your photos from the old phone.",
            ),
            "back up my files": ("Copy your files to a second disk.", "Do it on the same day each week."),
            "choose a password": ("Use four random words.", "Use a new one for every site."),
            "fix my printer": ("Turn it off and on again.", "Clean the paper tray."),
            "learn to code": ("Start with a small game.", "Write a little code each day."),
        },
        ("Install the new version.", "Look for a guide with pictures."),
        ("Avoid links you do not know.", "Protect your files before you start."),
        ("My robot laughed and said no!", "It runs on tiny wizards!"),
        caution=0.55,
        humour=0.7,
    ),
    Topic(
        "garden",
        {
            "grow tomatoes": ("Plant them in a sunny spot.", "Tie the plants to a strong stick."),
            "plant a tree": ("Dig a hole twice as wide as the roots.", "Fill it with good soil."),
            "cut the grass": ("Cut it when it is dry.", "Leave it as long as your thumb."),
            "make compost": ("Mix green and brown leaves.", "Turn the heap every month."),
            "keep roses alive": ("Cut old roses in spring.", "Give them sun and good soil."),
            "grow herbs": ("Plant them in small pots.", "Put them near a sunny window."),
        },
        ("Water early in the morning.", "Good soil does half the work."),
        ("Wear gloves to protect your hands.", "Keep sharp tools in a safe place."),
        ("My plants giggle when I sing!", "A dragon helps with the weeds!"),
        caution=0.55,
        humour=0.7,
    ),
    Topic(
        "pets",
        {
            "train a puppy": ("Give a treat when it sits.", "Train for five minutes each day."),
            "wash a dog": ("Use warm water and soft soap.", "Dry it with a big towel."),
            "feed a cat": ("Feed it at the same time each day.", "Put fresh water in a clean bowl."),
            "keep a rabbit": ("Give it hay and fresh water.", "Let it run in a big space."),
            "walk two dogs": ("Use two short leads.", "Walk the same way each day."),
            "calm a cat": ("Give it a quiet room.", "Let it come to you."),
        },
        ("Be kind and take your time.", "Play with it every day."),
        ("Check with a vet first.", "Never leave it alone in a car."),
        ("The cat is a ninja with a plan!", "Soon it will laugh at you!"),
        caution=0.55,
        humour=0.75,
    ),
    Topic(
        "family",
        {
            "plan a party": ("Pick a date and invite your friends.", "Make a list of food and games."),
            "write a letter": ("Start with a warm hello.", "Say what you feel in simple words."),
            "make new friends": ("Join a club you like.", "Ask people about their day."),
            "teach a child to read": ("Read a short book each night.", "Point at the words as you read."),
            "give a speech": ("Keep it short and simple.", "Say it out loud five times."),
            "choose a gift": ("Think of what they love.", "Wrap it and add a nice card."),
        },
        ("Start early and keep it simple.", "A smile helps a lot."),
        ("Be careful with old family fights.", "Check the date before you start."),
        ("Invite a llama for the photos!", "Then tickle the dragon!"),
        caution=0.45,
        humour=0.75,
    ),
    Topic(
        "cleaning",
        {
            "clean an oven": ("Rub it with soda and water.", "Leave it for an hour and wipe it."),
            "wash a sweater": ("Use cold water and soft soap.", "Let it dry flat on a towel."),
            "clean a window": ("Use warm water and old paper.", "Wipe from the top down."),
            "get rid of dust": ("Wipe with a wet cloth.", "Open the windows for an hour."),
            "clean a carpet": ("Take up the dust and use warm soap.", "Let it dry for a day."),
            "get out a stain": ("Put cold water on it at once.", "Rub it with a little salt."),
        },
        ("Do one room at a time.", "Use a clean cloth."),
        ("Never mix two cleaners.", "Wear gloves and avoid the fumes."),
        ("My robot giggles at the dust!", "Then a unicorn will shine!"),
        caution=0.65,
        humour=0.6,
    ),
)
