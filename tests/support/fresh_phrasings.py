"""Phrasings in other styles than `phrasings`: chatty, in two sentences, corrections, updates; and other attributes.

Written before the reader of claims was made to read by meaning and shape. At first sight it read 62 % of `FRESH` and 88 %
of `UNLISTED`; it was extended for them since. `UNLISTED` are attributes that no list of the reader names.
"""

from __future__ import annotations

from support.phrasings import Phrasings

FRESH: dict[str, Phrasings] = {
    "home": Phrasings(
        ("Home for me is {v}.", "You'll find me in {v}, that's where my apartment is.", "Our house stands in {v}."),
        (
            "We just finished unpacking in our new place in {v}!",
            "Scratch what I said before, I live in {v} now.",
            "It's official: I'm a resident of {v}.",
        ),
        ("{n} has an apartment in {v}.", "{n} makes a home in {v}.", "{n} (based in {v}) sends regards."),
        (
            "{n} and the kids have moved house; they live in {v} now.",
            "Update on {n}: the new home is in {v}.",
            "{n} has since relocated to {v}.",
        ),
    ),
    "employer": Phrasings(
        ("I clock in at {v} every morning.", "{v} is the company I work for.", "My current employer would be {v}."),
        (
            "Monday was my first day at {v}!",
            "I handed in my notice and went over to {v}.",
            "No, actually, I work for {v} now.",
        ),
        ("{n} draws a salary from {v}.", "{v} employs {n}.", "{n} has a position with {v}."),
        ("{v} has just hired {n}.", "{n} left the old firm and is now at {v}.", "{n} started a new job over at {v}."),
    ),
    "job": Phrasings(
        ("What do I do? I'm a {v}.", "For a living, I work as a {v}.", "I have been a {v} for ten years."),
        (
            "I've changed jobs, I'm now working as a {v}.",
            "They made me {v} last week.",
            "Correction: I'm a {v} these days.",
        ),
        ("{n} is a {v} by trade.", "{n} does the job of a {v}.", "{n} is a trained {v} and works as one."),
        ("{n} now earns money as a {v}.", "{n} was promoted and is {v} now.", "{n} retrained as a {v}."),
    ),
    "phone": Phrasings(
        ("If anything comes up, my cell is {v}.", "Best way to reach me: {v}.", "Here's my number: {v}"),
        (
            "New phone, new number: {v}",
            "Update your contacts, my number is {v} now.",
            "I lost my SIM card, so now it's {v} if you want to call me.",
        ),
        ("{n} is on {v} if you need to call.", "{n} picks up at {v}.", "Contact for {n}: phone {v}"),
        (
            "{n} has changed numbers and is now on {v}.",
            "Please note the new number of {n}: {v}",
            "To phone {n}, dial {v} from now on.",
        ),
    ),
    "email": Phrasings(
        ("Just shoot me an email, {v}.", "{v} is my email.", "For anything in writing, {v} works for me."),
        (
            "I don't check the old inbox any more, use {v}.",
            "Update: my mail is {v} now.",
            "I've moved all my mail to {v}.",
        ),
        ("{n} gets mail under {v}.", "Emails for {n} should be sent to {v}.", "{n}'s inbox is {v}."),
        (
            "{n} has switched to {v} for email.",
            "The current email of {n} is {v}.",
            "Please mail {n} at {v} from now on.",
        ),
    ),
    "dish": Phrasings(
        (
            "If you ask me, {v} is the best dish there is.",
            "My go-to favourite dish? {v}.",
            "I like {v} more than any other dish.",
        ),
        (
            "I've found a new favourite dish, it's {v}.",
            "My tastes have changed, {v} is now my favourite dish.",
            "Forget what I said, my favourite dish is {v}.",
        ),
        (
            "No dish pleases {n} more than {v}.",
            "{n} would name {v} as favourite dish.",
            "The dish {n} loves most is {v}.",
        ),
        (
            "{n} has gone off the old favourite; the favourite dish is {v} now.",
            "{v} is the new favourite dish of {n}.",
            "Lately {n}'s favourite dish is {v}.",
        ),
    ),
    "manager": Phrasings(
        ("My boss's name is {v}.", "The person I report to is {v}.", "{v} is in charge of me."),
        (
            "We had a reshuffle and {v} is my boss now.",
            "I've been moved under {v}, my new manager.",
            "Starting this week, my manager is {v}.",
        ),
        ("{n} has {v} as a manager.", "{v} is the boss of {n}.", "{n} gets instructions from {v}, the manager."),
        (
            "{n} has been assigned to {v} as the new manager.",
            "After the reshuffle {n} reports to {v}.",
            "The new boss of {n} is {v}.",
        ),
    ),
    "car": Phrasings(
        ("There's a {v} in my driveway.", "I own a {v}.", "The car I have is a {v}."),
        (
            "I sold my old car and bought a {v}.",
            "I'm the proud owner of a {v} now.",
            "My old car died, I drive a {v} now.",
        ),
        ("{n} takes a {v} to the office.", "The car of {n} is a {v}.", "{n} has been driving a {v}."),
        (
            "{n} upgraded to a {v}.",
            "{n} sold the car and drives a {v} now.",
            "{n} picked up a new car, a {v}.",
        ),
    ),
    "deadline": Phrasings(
        (),
        (),
        (
            "We have until {v} to finish Project {p}.",
            "Project {p} is to be handed over on {v}.",
            "{v} is the deadline for Project {p}.",
        ),
        (
            "Project {p} got more time, it is now due {v}.",
            "The customer moved the deadline of Project {p} to {v}.",
            "Change of plan: Project {p} is due on {v}.",
        ),
    ),
    "budget": Phrasings(
        (),
        (),
        (
            "Project {p} has {v} to spend.",
            "{v} have been set aside for Project {p}.",
            "Project {p} is funded with {v}.",
        ),
        (
            "The board changed the budget of Project {p} to {v}.",
            "Project {p}'s funding is {v} now.",
            "Update: Project {p} may now spend {v}.",
        ),
    ),
}

UNLISTED: dict[str, Phrasings] = {
    "physio": Phrasings(
        ("My physio is {v}.", "The physio I go to is {v}."),
        ("My new physio is {v}.", "I switched physios, my physio is {v} now."),
        ("{n}'s physio is {v}.", "The physio of {n} is {v}."),
        ("{n}'s physio is now {v}.", "{n} has a new physio, {v}."),
    ),
    "bedtime": Phrasings(
        ("My bedtime is {v}.", "I go to bed at {v}."),
        ("My bedtime is now {v}.", "I now go to bed at {v}."),
        ("{n}'s bedtime is {v}.", "{n} goes to bed at {v}."),
        ("{n}'s bedtime has moved to {v}.", "These days {n} goes to bed at {v}."),
    ),
    "wifi password": Phrasings(
        ("My wifi password is {v}.", "The password of my wifi is {v}."),
        ("I changed my wifi password to {v}.", "My new wifi password is {v}."),
        ("{n}'s wifi password is {v}.", "The wifi password of {n} is {v}."),
        ("{n}'s wifi password was changed to {v}.", "{n}'s new wifi password is {v}."),
    ),
    "train": Phrasings(
        ("I take the {v} train to work.", "My train leaves at {v}."),
        ("I now take the {v} train to work.", "My train leaves at {v} now."),
        ("{n} takes the {v} train to work.", "{n}'s train leaves at {v}."),
        ("{n} takes the {v} train to work now.", "{n}'s train now leaves at {v}."),
    ),
    "locker": Phrasings(
        ("My locker is number {v}.", "I have locker {v}."),
        ("My locker is now number {v}.", "I was given a new locker, number {v}."),
        ("{n}'s locker is number {v}.", "{n} has locker {v}."),
        ("{n}'s locker is number {v} now.", "{n} moved to locker {v}."),
    ),
    "thesis topic": Phrasings(
        ("My thesis topic is {v}.", "The topic of my thesis is {v}."),
        ("I changed my thesis topic to {v}.", "My thesis topic is {v} now."),
        ("{n}'s thesis topic is {v}.", "The topic of {n}'s thesis is {v}."),
        ("{n}'s thesis topic changed to {v}.", "{n}'s new thesis topic is {v}."),
    ),
}

QUESTIONS = {
    "physio": "Who is {n}'s physio?",
    "bedtime": "When does {n} go to bed?",
    "wifi password": "What is {n}'s wifi password?",
    "train": "Which train does {n} take to work?",
    "locker": "Which locker does {n} have?",
    "thesis topic": "What is {n}'s thesis topic?",
}
TOPICS = (
    "coral reefs",
    "medieval trade",
    "graph colouring",
    "urban noise",
    "sleep and memory",
    "glacier retreat",
    "soil bacteria",
    "fairy tales",
    "wind turbines",
    "tax reform",
)
