"""Phrasings for a last measure of reading claims: written before the reader was changed, and looked at only in sums.

They were written when those of `later_phrasings` were about to be looked at, by one who knew the reader's rules in part.
No statement of them that the reader misses was printed while the reader was changed; only shares were. After that was
measured, those that were superseded wrongly were looked at, and all others when the reader was extended again. Three attributes are in no other set, and no
list of the reader names them.
"""

from __future__ import annotations

from support.phrasings import Phrasings

UNSEEN: dict[str, Phrasings] = {
    "home": Phrasings(
        (
            "My front door is in {v} these days, second floor.",
            "I'm a {v} dweller through and through.",
            "Come by whenever you are in {v}, we live near the station.",
            "I pay rent in {v}.",
        ),
        (
            "The boxes are unpacked and {v} is home now.",
            "We gave up the old flat and took one in {v}.",
            "Since the spring I live out in {v}.",
            "We ended up buying a place in {v}.",
        ),
        (
            "{n} has lived in {v} for a good while.",
            "{n}'s household is in {v}.",
            "{n}, living in {v}, is in the same time zone.",
            "The house of {n} is in {v}.",
        ),
        (
            "{n} said farewell to the old neighbours and lives in {v} now.",
            "{n} is now a {v} resident.",
            "{n} took the family and went to live in {v}.",
            "A new flat in {v} is where {n} lives now.",
        ),
    ),
    "employer": Phrasings(
        (
            "My paycheck has {v} printed on it.",
            "I'm on staff at {v}.",
            "By day I work in the {v} headquarters.",
            "The firm I'm at is {v}.",
        ),
        (
            "I've crossed over to {v}, the old job is history.",
            "I took up a post at {v}.",
            "My new employer is called {v}.",
            "Just signed my contract with {v}!",
        ),
        (
            "{n} has been working at {v} for some years.",
            "{n} is one of the people who work at {v}.",
            "{n} is a {v} employee.",
            "{n}'s job is at {v}.",
        ),
        (
            "{n} has moved on and works for {v} now.",
            "{n} accepted an offer from {v}.",
            "{n} has a new employer: {v}.",
            "These days {n} is employed at {v}.",
        ),
    ),
    "job": Phrasings(
        (
            "I'm a {v}, have been since college.",
            "I spend my working days as a {v}.",
            "{v} is what it says on my business card.",
        ),
        (
            "I finished my training and I'm a {v} now.",
            "I left my old line of work and now I'm a {v}.",
            "My job title is {v} as of this month.",
        ),
        (
            "{n} has been working as a {v} for years.",
            "{n} practises as a {v}.",
            "{n}'s occupation: {v}.",
        ),
        (
            "{n} started out anew as a {v}.",
            "{n} has become a {v}.",
            "{n} has taken on the role of {v}.",
        ),
    ),
    "phone": Phrasings(
        (
            "Give me a ring on {v} when you land.",
            "I can be called at {v}.",
            "{v} is the number that rings in my pocket.",
        ),
        (
            "My telephone number will not work any more, take {v} instead.",
            "My number's changed to {v}.",
            "I have a different number now: {v}.",
        ),
        (
            "To get hold of {n}, call {v}.",
            "{n} answers the phone at {v}.",
            "You can call {n} on {v}.",
        ),
        (
            "{n} got a new SIM, the number is {v}.",
            "The number for {n} is {v} now.",
            "Call {n} at {v} from now on.",
        ),
    ),
    "email": Phrasings(
        (
            "I read everything that comes to {v}.",
            "Email me: {v}",
            "My address for mail is {v}.",
        ),
        (
            "I've retired the old mailbox, mail goes to {v} now.",
            "I now use {v} for all my mail.",
            "My email has changed to {v}.",
        ),
        (
            "{n} is best emailed at {v}.",
            "{n} uses the mailbox {v}.",
            "For {n}, email {v}.",
        ),
        (
            "{n} can now be emailed under {v}.",
            "{n} replaced the old address by {v}.",
            "{n} has {v} as the new email.",
        ),
    ),
    "dish": Phrasings(
        (
            "No dish comes close to {v} for me.",
            "{v} tops my list of dishes.",
            "If I had to pick one dish, it would be {v}, my favourite.",
        ),
        (
            "{v} has overtaken the others as my favourite dish.",
            "Nowadays {v} is the dish I like best.",
            "I changed my mind: my favourite dish is {v}.",
        ),
        (
            "{n} always names {v} as the favourite dish.",
            "{n} enjoys {v} more than any other dish.",
            "Among all dishes {n} likes {v} best.",
        ),
        (
            "{n} has found a new favourite dish in {v}.",
            "{n} now names {v} as the favourite dish.",
            "By now {n}'s favourite dish is {v}.",
        ),
    ),
    "manager": Phrasings(
        (
            "{v} is the one who manages me.",
            "My line manager goes by the name {v}.",
            "At work I answer to {v}.",
        ),
        (
            "They put {v} in charge of me.",
            "I have a new boss, {v}.",
            "I was moved to another team, so my manager is {v} now.",
        ),
        (
            "{n} has {v} as manager.",
            "{n} is managed by {v}.",
            "The manager of {n} is {v}.",
        ),
        (
            "{n} has been assigned to {v}, who is now the manager.",
            "{n} has a new manager, {v}.",
            "{v} replaced {n}'s old boss.",
        ),
    ),
    "car": Phrasings(
        (
            "The car I own is a {v}.",
            "There's a {v} in my garage.",
            "I've got a {v} for getting around.",
        ),
        (
            "I said goodbye to my old car and picked up a {v}.",
            "My new ride is a {v}.",
            "The dealer handed me the keys to my {v} today.",
        ),
        (
            "{n} has a {v} as a car.",
            "{n} is the owner of a {v}.",
            "{n} goes everywhere by car, in a {v}.",
        ),
        (
            "{n} has switched to a {v}.",
            "{n} has bought a {v}.",
            "{n}'s latest car is a {v}.",
        ),
    ),
    "deadline": Phrasings(
        (),
        (),
        (
            "We have until {v} to finish Project {p}.",
            "Project {p} must be handed over by {v}.",
            "The cut-off for Project {p} is {v}.",
        ),
        (
            "The client gave us more time for Project {p}, it is due on {v} now.",
            "Project {p} was moved to {v}.",
            "We agreed on {v} as the new deadline of Project {p}.",
        ),
    ),
    "budget": Phrasings(
        (),
        (),
        (
            "Project {p} has {v} at its disposal.",
            "We can spend {v} on Project {p}.",
            "{v} has been set aside for Project {p}.",
        ),
        (
            "Project {p} has been given {v} instead.",
            "The board approved {v} for Project {p}.",
            "Project {p}'s budget now stands at {v}.",
        ),
    ),
    "physio": Phrasings(
        ("I see {v}, my physio, on Mondays.", "The physio I go to is {v}."),
        ("I changed physios, it is {v} now.", "I have a new physio: {v}."),
        ("{n} has {v} as physio.", "{n}'s physio goes by {v}."),
        ("{n} switched to {v} as physio.", "{n} has found a new physio, {v}."),
    ),
    "bedtime": Phrasings(
        ("I'm in bed by {v} on weekdays.", "My normal bedtime is {v}."),
        ("Bedtime is {v} for me now.", "I've pushed my bedtime to {v}."),
        ("{n} goes to sleep at {v}.", "The bedtime of {n} is {v}."),
        ("{n} now goes to bed at {v}.", "{n}'s bedtime was moved to {v}."),
    ),
    "wifi password": Phrasings(
        ("To get online here, my wifi password is {v}.", "{v} is my wifi password."),
        ("My wifi password is no longer the old one, it is {v}.", "I reset the wifi password, it's {v} now."),
        ("{n} uses {v} as the wifi password.", "{n} has the wifi password {v}."),
        ("{n} has reset the wifi password to {v}.", "The wifi password of {n} was changed to {v}."),
    ),
    "locker": Phrasings(
        ("I keep my things in locker {v}.", "At the gym I have locker {v}."),
        ("They gave me locker {v}.", "I swapped lockers and have {v} now."),
        ("{n} keeps things in locker {v}.", "Locker {v} belongs to {n}."),
        ("{n} is now using locker {v}.", "{n} moved over to locker {v}."),
    ),
    "coffee order": Phrasings(
        ("My usual coffee order is {v}.", "The coffee I order is always {v}."),
        ("My coffee order has changed to {v}.", "My coffee order is {v} these days."),
        ("{n}'s coffee order: {v}.", "The coffee order of {n} is {v}."),
        ("{n} changed the coffee order to {v}.", "{n} now has {v} as the coffee order."),
    ),
    "parking bay": Phrasings(
        ("My parking bay is {v}.", "I park in bay {v}."),
        ("I was moved to parking bay {v}.", "My parking bay is now {v}."),
        ("{n} parks in bay {v}.", "{n}'s parking bay is {v}."),
        ("{n} has been given parking bay {v}.", "{n}'s new parking bay is {v}."),
    ),
    "godmother": Phrasings(
        ("My godmother's name is {v}.", "{v} is my godmother."),
        ("As it turns out, my godmother is {v}.", "Correction: {v} is my godmother."),
        ("{n}'s godmother is {v}.", "{v} is godmother to {n}."),
        ("Correction: the godmother of {n} is {v}.", "{n} named {v} as godmother now."),
    ),
}
QUESTIONS = {
    "coffee order": "What is {n}'s coffee order?",
    "parking bay": "Which parking bay does {n} have?",
    "godmother": "Who is {n}'s godmother?",
}
COFFEES = (
    "flat white",
    "double espresso",
    "oat cappuccino",
    "iced latte",
    "decaf americano",
    "cortado",
    "filter coffee",
    "mocha",
)
