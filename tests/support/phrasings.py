"""Phrasings of statements about people and projects, by attribute, in the first and in the third person.

Each is a state (`I live in V`) or a change (`I moved to V`). `SEEN` were written with the rules for reading claims in
view, or the rules were extended for them: of `_SECOND` they read 43 % before that, of `_THIRD` 54 %. `HELD` were
written last; the rules were not extended for them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasings:
    """Ways to say one thing, by person and whether it is a state or a change."""

    first_state: tuple[str, ...]
    first_change: tuple[str, ...]
    third_state: tuple[str, ...]
    third_change: tuple[str, ...]

    def of(self, *, first: bool, change: bool) -> tuple[str, ...]:
        if first:
            return self.first_change if change else self.first_state
        return self.third_change if change else self.third_state


_FIRST: dict[str, Phrasings] = {
    "home": Phrasings(
        ("I live in {v}.", "These days I live in {v}, close to the river."),
        ("By the way, I moved to {v}.", "I live in {v} now."),
        ("{n} lives in {v}.", "{n} is living in {v} at the moment."),
        ("{n} has moved to {v}.", "{n} recently relocated to {v}."),
    ),
    "employer": Phrasings(
        ("I work at {v}.", "I work for {v}, mostly from home."),
        ("I started working at {v}.", "I got a new job at {v}."),
        ("{n} works at {v}.", "{n} is employed by {v}."),
        ("{n} joined {v}.", "{n} has started at {v}."),
    ),
    "job": Phrasings(
        ("I work as a {v}.", "I'm a {v}."),
        ("I became a {v}.", "I now work as a {v}."),
        ("{n} is a {v}.", "{n} works as a {v}."),
        ("{n} became a {v}.", "{n} is now a {v}."),
    ),
    "phone": Phrasings(
        ("My phone number is {v}.", "My phone is {v}."),
        ("My new phone number is {v}.", "I changed my phone number to {v}."),
        ("{n}'s phone number is {v}.", "The phone number of {n} is {v}."),
        ("{n}'s phone number changed to {v}.", "{n}'s new phone number is {v}."),
    ),
    "email": Phrasings(
        ("My email is {v}.", "My email address is {v}."),
        ("My new email address is {v}.", "I changed my email to {v}."),
        ("{n}'s email is {v}.", "The email address of {n} is {v}."),
        ("{n}'s email address was changed to {v}.", "{n}'s email is now {v}."),
    ),
    "dish": Phrasings(
        ("My favourite dish is {v}.", "My favourite dish is {v}, always."),
        ("My favourite dish is now {v}.", "My new favourite dish is {v}."),
        ("{n}'s favourite dish is {v}.", "The favourite dish of {n} is {v}."),
        ("{n}'s favourite dish is now {v}.", "{n}'s favourite dish has changed to {v}."),
    ),
    "manager": Phrasings(
        ("My manager is {v}.", "I report to {v}."),
        ("My new manager is {v}.", "I now report to {v}."),
        ("{n}'s manager is {v}.", "{n} reports to {v}."),
        ("{n}'s new manager is {v}.", "{n} now reports to {v}."),
    ),
    "car": Phrasings(
        ("I drive a {v}.", "My car is a {v}, I drive a {v}."),
        ("I now drive a {v}.", "These days I drive a {v}."),
        ("{n} drives a {v}.", "{n} drives a {v} to work, but rarely."),
        ("{n} now drives a {v}.", "Nowadays {n} drives a {v}."),
    ),
    "deadline": Phrasings(
        (),
        (),
        ("The deadline of Project {p} is {v}.", "Project {p} is due on {v}."),
        ("The deadline of Project {p} was moved to {v}.", "Project {p}'s deadline is now {v}."),
    ),
    "budget": Phrasings(
        (),
        (),
        ("The budget of Project {p} is {v}.", "Project {p}'s budget is {v}."),
        ("The budget of Project {p} was raised to {v}.", "Project {p}'s budget is now {v}."),
    ),
}

_SECOND: dict[str, Phrasings] = {
    "home": Phrasings(
        ("My place is in {v}, third floor.", "I've been living in {v} for ages."),
        ("I've finally settled down in {v}.", "Guess what: I traded my old town for {v}!"),
        ("{n}'s flat is in {v}.", "{n} resides in {v}."),
        ("{n} packed up and moved over to {v}.", "As of this week, {n} calls {v} home."),
    ),
    "employer": Phrasings(
        ("I'm with {v}, in the lab.", "I earn my living at {v}."),
        ("I've just been hired by {v}.", "I signed on with {v}."),
        ("{n} is on the staff of {v}.", "{n} works over at {v}."),
        ("{n} took a position at {v}.", "{n} was hired by {v}."),
    ),
    "job": Phrasings(
        ("I earn my living as a {v}.", "By profession I'm a {v}."),
        ("I retrained and I'm now a {v}.", "I switched careers: I'm a {v} now."),
        ("{n}'s profession is {v}.", "{n} makes a living as a {v}."),
        ("{n} has become a {v}.", "{n} changed careers and is a {v}."),
    ),
    "phone": Phrasings(
        ("You can call me on {v}.", "Ring me at {v} any time."),
        ("Please use {v} to call me from now on.", "My number has changed to {v}."),
        ("You can reach {n} on {v}.", "Phone number for {n}: {v}"),
        ("{n} switched phone numbers, use {v}.", "The phone number of {n} has been updated to {v}."),
    ),
    "email": Phrasings(
        ("You can write to me at {v}.", "I read mail at {v}."),
        ("I've switched my email over to {v}.", "Please send mail to {v} from now on."),
        ("You can email {n} at {v}.", "{n} uses the email address {v}."),
        ("{n} has a new email address: {v}", "{n}'s email address has been updated to {v}."),
    ),
    "dish": Phrasings(
        ("Nothing beats {v}, my favourite dish.", "{v} is my favourite dish."),
        ("I've got a new favourite dish: {v}", "{v} has become my favourite dish."),
        ("{n}'s all-time favourite dish is {v}.", "{n} likes no dish better than {v}."),
        ("{n} has a new favourite dish: {v}", "{n}'s favourite dish these days is {v}."),
    ),
    "manager": Phrasings(
        ("{v} is my boss.", "My line manager is called {v}."),
        ("My supervisor is {v} from now on.", "{v} took over as my manager."),
        ("{v} is {n}'s manager.", "{n} works under {v}."),
        ("{n}'s manager has changed to {v}.", "{n} has been reporting to {v} lately."),
    ),
    "car": Phrasings(
        ("I'm driving a {v}.", "I get around in a {v}."),
        ("I swapped my car for a {v}.", "My new car is a {v}."),
        ("{n} is driving a {v}.", "{n}'s car is a {v}."),
        ("{n}'s new car is a {v}.", "{n} bought a {v}."),
    ),
    "deadline": Phrasings(
        (),
        (),
        ("Project {p} has to be ready by {v}.", "Project {p}'s due date is {v}."),
        ("The deadline for Project {p} has been pushed back to {v}.", "Project {p} slipped to {v}."),
    ),
    "budget": Phrasings(
        (),
        (),
        ("Project {p} has a budget of {v}.", "{v} is the budget for Project {p}."),
        ("Project {p}'s budget has been cut to {v}.", "Finance changed the budget for Project {p} to {v}."),
    ),
}

_THIRD: dict[str, Phrasings] = {
    "home": Phrasings(
        ("I have a flat in {v}.", "My family and I are at home in {v}."),
        ("I'm settled in {v} now, the boxes are unpacked.", "We upped sticks and went to {v}."),
        ("{n}'s home is in {v}.", "{n} has lived in {v} for years."),
        ("{n} is now based in {v}.", "{v} is where {n} lives these days."),
    ),
    "employer": Phrasings(
        ("I'm employed at {v}.", "My employer is {v}."),
        ("I've started a new position with {v}.", "I left my old company for {v}."),
        ("{n}'s employer is {v}.", "{n} has a job at {v}."),
        ("{n} now works for {v}.", "{n}'s new employer is {v}."),
    ),
    "job": Phrasings(
        ("My job is {v}.", "I've been a {v} since school."),
        ("I was promoted to {v}.", "As of last month I'm a {v}."),
        ("{n} is employed as a {v}.", "{n}, who is a {v}, says hello."),
        ("{n} got a promotion and is a {v} now.", "{n} is working as a {v} these days."),
    ),
    "phone": Phrasings(
        ("My mobile number is {v}.", "If you need me, dial {v}."),
        ("I've got a new number: {v}.", "My phone number is no longer the old one, it is {v}."),
        ("{n}'s telephone number: {v}", "{n} can be reached at {v}."),
        ("{n} has a new phone number, {v}.", "{n}'s phone number is {v} now."),
    ),
    "email": Phrasings(
        ("Drop me a line at {v}.", "My email: {v}"),
        ("My email address is now {v}.", "I have a new email address, {v}."),
        ("{n}'s email address: {v}", "Mail for {n} goes to {v}."),
        ("{n} changed email addresses to {v}.", "{n} has moved to the email address {v}."),
    ),
    "dish": Phrasings(
        ("If I had to pick a favourite dish, it is {v}.", "My favourite dish of all is {v}."),
        ("My favourite dish has changed to {v}.", "Lately {v} is my favourite dish."),
        ("When asked, {n}'s favourite dish is {v}.", "{v} is {n}'s favourite dish."),
        ("{n}'s new favourite dish is {v}.", "{n}'s taste has changed: the favourite dish is {v}."),
    ),
    "manager": Phrasings(
        ("{v} manages me.", "I'm on the team of {v}, who is my manager."),
        ("I've got a new manager, {v}.", "My manager is now {v}."),
        ("The manager of {n} is {v}.", "{n}'s boss is {v}."),
        ("{n} has a new manager: {v}.", "{v} is now {n}'s manager."),
    ),
    "car": Phrasings(
        ("My car is a {v}.", "I have a {v} in the garage."),
        ("I replaced my car with a {v}.", "I currently drive a {v}."),
        ("{n} has a {v}.", "{n} owns a {v}."),
        ("{n} replaced the car with a {v}.", "{n} is now driving a {v}."),
    ),
    "deadline": Phrasings(
        (),
        (),
        ("Project {p} is due by {v}.", "We must hand in Project {p} on {v}."),
        ("Project {p}'s deadline has been extended to {v}.", "The new deadline for Project {p} is {v}."),
    ),
    "budget": Phrasings(
        (),
        (),
        ("The budget for Project {p} is {v}.", "Project {p} may spend {v}."),
        ("The budget for Project {p} has been reduced to {v}.", "Project {p} now has a budget of {v}."),
    ),
}


def _together(name: str) -> Phrasings:
    """Return all phrasings of an attribute but those that are held back."""
    some = [phrasings[name] for phrasings in (_FIRST, _SECOND, _THIRD)]
    return Phrasings(
        tuple(one for each in some for one in each.first_state),
        tuple(one for each in some for one in each.first_change),
        tuple(one for each in some for one in each.third_state),
        tuple(one for each in some for one in each.third_change),
    )


SEEN: dict[str, Phrasings] = {name: _together(name) for name in _FIRST}

HELD: dict[str, Phrasings] = {
    "home": Phrasings(
        ("I reside in {v} with my two cats.", "I rent a small room in {v}."),
        ("I have relocated to {v} for good.", "My wife and I have bought a house in {v} and live there."),
        ("{n} is at home in {v}.", "{n}, as you know, lives in {v}."),
        ("{n} moved from the coast to {v}.", "{n} lives in {v} since the summer."),
    ),
    "employer": Phrasings(
        ("I'm working for {v} at present.", "My pay comes from {v}."),
        ("I accepted a job at {v}.", "I'm starting over at {v}, it is my new employer."),
        ("{n} has been working for {v}.", "The employer of {n} is {v}."),
        ("{n} switched to {v} for work.", "{n} was recruited by {v}."),
    ),
    "job": Phrasings(
        ("I make my living as a {v}.", "My occupation is {v}."),
        ("I'm a {v} these days.", "I trained as a {v} and now work as one."),
        ("{n}'s job is {v}.", "{n} earns a living as a {v}."),
        ("{n} has been appointed {v}.", "{n} recently became a {v}."),
    ),
    "phone": Phrasings(
        ("My telephone number is {v}.", "Call me at {v}."),
        ("My phone number is now {v}.", "My old number is gone, the new one is {v}."),
        ("{n}'s mobile number is {v}.", "Call {n} on {v}."),
        ("{n} now has the phone number {v}.", "{n}'s number is now {v}."),
    ),
    "email": Phrasings(
        ("Email me at {v}.", "My mail address is {v}."),
        ("I use a new email address now: {v}", "My email changed to {v}."),
        ("{n}'s email address is {v}.", "Write to {n} at {v}."),
        ("{n} can now be reached at {v}.", "{n}'s new email address is {v}."),
    ),
    "dish": Phrasings(
        ("The dish I like best is {v}.", "My absolute favourite dish is {v}."),
        ("These days my favourite dish is {v}.", "I changed my favourite dish to {v}."),
        ("{n}'s favourite dish has always been {v}.", "{n} says the best dish is {v}."),
        ("{n}'s current favourite dish is {v}.", "{n} swears by {v}, the new favourite dish."),
    ),
    "manager": Phrasings(
        ("My supervisor is {v}.", "I answer to {v}."),
        ("My manager changed, it is {v} now.", "From now on I report to {v}."),
        ("{n}'s supervisor is {v}.", "{n} answers to {v}."),
        ("{n} got a new manager, {v}.", "{v} became {n}'s manager."),
    ),
    "car": Phrasings(
        ("I drive to work in a {v}.", "The car I drive is a {v}."),
        ("I got a new car, a {v}.", "I switched to a {v} as my car."),
        ("{n}'s car, a {v}, is in the yard.", "{n} goes everywhere in a {v}."),
        ("{n} traded the old car in for a {v}.", "{n} is now the driver of a {v}."),
    ),
    "deadline": Phrasings(
        (),
        (),
        ("Project {p} must be finished by {v}.", "The due date of Project {p} is {v}."),
        ("Project {p} has been postponed to {v}.", "Project {p} is now due on {v}."),
    ),
    "budget": Phrasings(
        (),
        (),
        ("Project {p} costs {v}.", "For Project {p} there are {v}."),
        ("The new budget of Project {p} is {v}.", "Project {p} was given a budget of {v}."),
    ),
}
