"""Phrasings written after the reader was extended for `fresh_phrasings`.

At first sight it read 67 % of them (answers right: 86 % clean, 91 % poisoned); it was extended for them since.
"""

from __future__ import annotations

from support.phrasings import Phrasings

LATER: dict[str, Phrasings] = {
    "home": Phrasings(
        ("I sleep, eat and live in {v}.", "Our family home is a small house in {v}.", "I'm a local in {v}."),
        ("We packed our bags and now we live in {v}.", "I recently made {v} my home.", "New address: I'm in {v} now."),
        ("{v} is the city {n} lives in.", "{n} owns a house in {v}.", "{n} stays in {v} permanently."),
        ("{n} left town and settled in {v}.", "{n} has a new flat in {v}.", "Since May {n} has been living in {v}."),
    ),
    "employer": Phrasings(
        ("I'm an employee at {v}.", "{v} is where I work.", "I work full time for {v}."),
        (
            "I said goodbye to my old firm, {v} is my employer now.",
            "I've been hired at {v}.",
            "I now work over at {v}.",
        ),
        ("{n} is employed with {v}.", "{n} works in the office of {v}.", "{n}'s workplace is {v}."),
        ("{n} found a new job at {v}.", "{v} recruited {n}.", "{n} quit and works at {v} now."),
    ),
    "job": Phrasings(
        ("Professionally I'm a {v}.", "My work is that of a {v}.", "I'm employed as a {v}."),
        ("I gave up my old job and became a {v}.", "I've been made {v}.", "My new job is {v}."),
        ("{n} has the job of {v}.", "{n}, a {v}, lives nearby.", "{n} earns money working as a {v}."),
        ("{n} works as a {v} now.", "{n} turned into a {v}.", "{n} took a job as a {v}."),
    ),
    "phone": Phrasings(
        ("You can reach me by phone at {v}.", "My private number: {v}", "Text me at {v}, please."),
        ("My number has been changed, it is {v} now.", "I've switched to {v}, call me there.", "My new mobile is {v}."),
        ("{n} has the number {v}.", "{n}'s cell phone is {v}.", "Ring {n} under {v}."),
        ("{n}'s number was changed to {v}.", "{n} has switched to the number {v}.", "{n} is now reachable at {v}."),
    ),
    "email": Phrasings(
        ("Send everything to {v}, that's my address.", "My inbox is {v}.", "You reach me by email at {v}."),
        ("From today my email is {v}.", "I've changed providers, my email is {v} now.", "Use my new address {v}."),
        ("{n} can be emailed at {v}.", "{n} has the address {v}.", "{n} answers mail sent to {v}."),
        ("{n}'s mail address was changed to {v}.", "{n} now reads mail at {v}.", "{n} moved to {v} for mail."),
    ),
    "dish": Phrasings(
        (
            "I could eat {v} every day, it's my favourite dish.",
            "My number one dish is {v}.",
            "I love {v} above any other dish.",
        ),
        (
            "My new favourite dish: {v}",
            "I used to prefer others, but {v} is my favourite dish now.",
            "My favourite dish became {v}.",
        ),
        ("{n}'s preferred dish is {v}.", "{n} considers {v} the best dish.", "{v} remains {n}'s favourite dish."),
        (
            "{n}'s favourite dish turned out to be {v}.",
            "{n} has switched favourites: {v} is the favourite dish.",
            "{n}'s top dish is {v} now.",
        ),
    ),
    "manager": Phrasings(
        ("I work for {v}, my boss.", "My team is led by {v}.", "The boss I have is {v}."),
        ("{v} is my new boss.", "My old boss left and {v} took over as my manager.", "My manager has changed to {v}."),
        ("{n} works for {v}, the manager.", "{n}'s superior is {v}.", "{v} is in charge of {n}."),
        ("{n}'s new boss is called {v}.", "{v} has become the manager of {n}.", "{n} now answers to {v}."),
    ),
    "car": Phrasings(
        ("The car in front of my house is a {v}, it is mine.", "I go to work in my {v}.", "I drive around in a {v}."),
        ("I've traded up to a {v}.", "I bought myself a {v}.", "I have a new {v} now."),
        ("{n}'s vehicle is a {v}.", "{n} gets around in a {v}.", "The car {n} drives is a {v}."),
        ("{n} now owns a {v}.", "{n} exchanged the car for a {v}.", "{n}'s car was replaced by a {v}."),
    ),
    "deadline": Phrasings(
        (),
        (),
        ("Project {p} should be done on {v}.", "The delivery date of Project {p} is {v}.", "Project {p} ends on {v}."),
        (
            "Project {p} has been delayed until {v}.",
            "The due date of Project {p} changed to {v}.",
            "Project {p} is now planned for {v}.",
        ),
    ),
    "budget": Phrasings(
        (),
        (),
        ("The money for Project {p} is {v}.", "Project {p} gets {v}.", "Project {p}'s costs are limited to {v}."),
        (
            "Project {p}'s budget was increased to {v}.",
            "Project {p} now gets {v}.",
            "The budget of Project {p} has shrunk to {v}.",
        ),
    ),
    "physio": Phrasings(
        ("{v} is my physio.", "My current physio is {v}."),
        ("{v} is my new physio.", "My physio changed to {v}."),
        ("{v} is {n}'s physio.", "{n}'s current physio is {v}."),
        ("{v} is now {n}'s physio.", "{n}'s new physio is called {v}."),
    ),
    "bedtime": Phrasings(
        ("Bedtime for me is {v}.", "I usually go to bed at {v}."),
        ("I moved my bedtime to {v}.", "My new bedtime is {v}."),
        ("Bedtime for {n} is {v}.", "{n} always goes to bed at {v}."),
        ("{n} goes to bed at {v} these days.", "{n}'s new bedtime is {v}."),
    ),
    "wifi password": Phrasings(
        ("The wifi password at my place is {v}.", "My wifi password: {v}"),
        ("My wifi password is now {v}.", "I've set my wifi password to {v}."),
        ("The wifi password at {n}'s place is {v}.", "{n}'s wifi password: {v}"),
        ("{n} changed the wifi password to {v}.", "{n}'s wifi password is {v} now."),
    ),
    "train": Phrasings(
        ("I catch the {v} train to work.", "I always take the {v} train to work."),
        ("I take the {v} train to work these days.", "I switched to the {v} train."),
        ("{n} catches the {v} train to work.", "{n} usually takes the {v} train to work."),
        ("{n} now takes the {v} train to work.", "{n} switched to the {v} train."),
    ),
    "locker": Phrasings(
        ("My locker number is {v}.", "Mine is locker {v}."),
        ("I moved to locker {v}.", "My new locker is number {v}."),
        ("{n}'s locker number is {v}.", "{n} uses locker {v}."),
        ("{n} was given locker {v}.", "{n}'s new locker is number {v}."),
    ),
    "thesis topic": Phrasings(
        ("I write my thesis about {v}.", "My thesis is on {v}."),
        ("The topic of my thesis is now {v}.", "My new thesis topic is {v}."),
        ("{n} writes a thesis about {v}.", "{n}'s thesis is on {v}."),
        ("{n} changed the thesis topic to {v}.", "The new topic of {n}'s thesis is {v}."),
    ),
}
