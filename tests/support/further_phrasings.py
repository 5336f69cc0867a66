"""A fourth set of phrasings, by one who had read none of the reader's rules, prototypes and word lists.

Written and kept before the reader was measured with them, and before any change of it that followed; plainer than those of
`unseen_phrasings`. At first sight 93 % of the answers to clean updates were right, 95 % to poisoned ones; the
reader was extended for them since. Three attributes are
in no other set, and no list of the reader names them.
"""

from __future__ import annotations

from support.phrasings import Phrasings

FURTHER: dict[str, Phrasings] = {
    "home": Phrasings(
        (
            "My flat is in {v}, right above a bakery.",
            "I've been living in {v} for three years.",
            "Home is {v}, so mornings are quiet.",
        ),
        (
            "Big news: I moved to {v} last weekend.",
            "I don't live there any more, I'm in {v} now.",
            "After the divorce I moved over to {v}.",
        ),
        ("{n} lives over in {v}.", "{n}'s flat is in {v}.", "{n} calls {v} home."),
        (
            "{n} just moved to {v}.",
            "{n} packed up and moved to {v}.",
            "{n} lives in {v} these days, not in the old town.",
        ),
    ),
    "employer": Phrasings(
        (
            "I've worked at {v} since college.",
            "I'm with {v}, in the sales team.",
            "My company is called {v}.",
        ),
        (
            "I got the offer, so I'm joining {v}.",
            "I left my job and joined {v}.",
            "As of this month I'm working for {v}.",
        ),
        ("{n} works over at {v}.", "{n} is on the staff of {v}.", "The company {n} works for is {v}."),
        ("{n} joined {v} this spring.", "{n} got a job at {v}.", "{n} changed employers and is with {v} now."),
    ),
    "job": Phrasings(
        ("I'm a {v} by profession.", "I've worked as a {v} since school.", "My profession is {v}."),
        (
            "I quit my desk job to become a {v}.",
            "I'm a qualified {v} now and working as one.",
            "New career: I'm a {v}.",
        ),
        ("{n} is a {v}, and a good one.", "{n}'s profession is {v}.", "{n} has been a {v} for years."),
        ("{n} started working as a {v}.", "{n} is a {v} now.", "{n} changed careers to become a {v}."),
    ),
    "phone": Phrasings(
        ("My mobile is {v}.", "You can call me on {v}.", "The number to reach me on is {v}."),
        (
            "I have a new number, {v}.",
            "Don't use the old number, call {v} instead.",
            "My phone number changed to {v}.",
        ),
        ("{n} can be called at {v}.", "The phone number of {n} is {v}.", "{n}'s number: {v}"),
        ("{n} has a new phone number, {v}.", "{n}'s new number is {v}.", "{n} can be reached on {v} from now on."),
    ),
    "email": Phrasings(
        ("Mail me at {v}.", "My email is {v}.", "I read my mail at {v}."),
        (
            "I've got a new email, {v}.",
            "Please write to {v} from now on, I no longer read the other one.",
            "My email address is now {v}.",
        ),
        ("{n}'s email is {v}.", "The email address of {n} is {v}.", "You can email {n} at {v}."),
        ("{n} has a new email address: {v}", "{n}'s email changed to {v}.", "{n} now uses {v} for email."),
    ),
    "dish": Phrasings(
        (
            "If I could eat one dish for ever, it'd be {v}.",
            "{v} is my favourite dish.",
            "Nothing beats {v}, it's my favourite.",
        ),
        (
            "{v} has become my favourite dish.",
            "I've changed my mind, my favourite dish is {v}.",
            "Lately my favourite dish is {v}.",
        ),
        ("{n} likes {v} best of all dishes.", "The favourite dish of {n} is {v}.", "{n} loves {v} most of all."),
        (
            "{n}'s favourite dish is {v} now.",
            "{v} is {n}'s new favourite dish.",
            "{n} has a new favourite dish, {v}.",
        ),
    ),
    "manager": Phrasings(
        ("My manager is {v}.", "{v} is my line manager.", "I report to {v} at work."),
        (
            "I've got a new manager, {v}.",
            "{v} is taking over as my manager.",
            "Since the reshuffle my boss is {v}.",
        ),
        ("{n}'s line manager is {v}.", "{n} reports to {v}.", "The boss of {n} is {v}."),
        ("{n} has a new boss, {v}.", "{n} now reports to {v}.", "{v} took over as {n}'s manager."),
    ),
    "car": Phrasings(
        ("I drive a {v}.", "Our family car is a {v}.", "I own a {v}."),
        ("We sold the old car and bought a {v}.", "I drive a {v} now.", "I just leased a {v}."),
        ("{n} drives an old {v}.", "{n}'s car is a {v}.", "The car of {n} is a {v}."),
        ("{n} has a new car, a {v}.", "{n} sold the car and drives a {v} now.", "{n} got a {v} last month."),
    ),
    "deadline": Phrasings(
        (),
        (),
        ("The deadline for Project {p} is {v}.", "Project {p} has to be ready by {v}.", "Project {p} is due {v}."),
        (
            "The deadline of Project {p} has moved to {v}.",
            "Project {p} was pushed back to {v}.",
            "Change of plan: Project {p} is due on {v}.",
        ),
    ),
    "budget": Phrasings(
        (),
        (),
        ("Project {p} has a budget of {v}.", "The budget of Project {p} is {v}.", "We have {v} for Project {p}."),
        (
            "The budget of Project {p} was cut to {v}.",
            "Project {p}'s budget is now {v}.",
            "Project {p} has a new budget of {v}.",
        ),
    ),
    "physio": Phrasings(
        ("My physio is {v}.", "My physio is called {v}, she is great."),
        ("My new physio is {v}.", "I'm seeing another physio now, {v}."),
        ("{n}'s physio is {v}.", "The physio of {n} is {v}."),
        ("{n}'s physio is now {v}.", "{n} has a new physio, {v}."),
    ),
    "locker": Phrasings(
        ("I have locker {v}.", "My locker is number {v}."),
        ("I have a new locker, {v}.", "My locker is {v} now."),
        ("{n} has locker {v}.", "{n}'s locker is {v}."),
        ("{n}'s locker is now {v}.", "{n} has moved to locker {v}."),
    ),
    "landlord": Phrasings(
        ("My landlord is {v}.", "I rent from {v}, my landlord."),
        ("My new landlord is {v}.", "The house was sold, so {v} is my landlord now."),
        ("{n}'s landlord is {v}.", "{n} has {v} as a landlord."),
        ("{n}'s new landlord is {v}.", "{v} has become {n}'s landlord."),
    ),
    "gate code": Phrasings(
        ("My gate code is {v}.", "To get in, use my gate code, {v}."),
        ("My gate code was changed to {v}.", "The new gate code at my house is {v}."),
        ("{n}'s gate code is {v}.", "The gate code at {n}'s house is {v}."),
        ("{n} changed the gate code to {v}.", "{n}'s gate code is now {v}."),
    ),
    "piano teacher": Phrasings(
        ("My piano teacher is {v}.", "{v} is my piano teacher."),
        ("I have a new piano teacher, {v}.", "My piano teacher is {v} now."),
        ("{n}'s piano teacher is {v}.", "{n} has piano lessons, the piano teacher is {v}."),
        ("{n} switched to {v} as piano teacher.", "{n}'s new piano teacher is {v}."),
    ),
}
QUESTIONS = {
    "landlord": "Who is {n}'s landlord?",
    "gate code": "What is {n}'s gate code?",
    "piano teacher": "Who is {n}'s piano teacher?",
}
