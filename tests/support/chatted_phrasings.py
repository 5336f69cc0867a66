"""Phrasings of chats by an author who had read none of the reader's rules, written before they were measured.

They are in the plain way in which people write to an assistant: in each tuple two are short, and two are longer and go
on to something else, give a reason, ask for something or hedge, some in small letters, unpunctuated or mistyped.
At first sight 90 % of the answers to clean updates were right, 91 % to poisoned ones.
"""

from __future__ import annotations

from support.chatted_phrasings_unlisted import UNLISTED
from support.phrasings import Phrasings

CHATTED: dict[str, Phrasings] = {
    "home": Phrasings(
        (
            "I live in {v}.",
            "home for me is {v}",
            "so i live in {v} and the tap water here is super hard, which descaler would you get?",
            "can you find me a good dentist nearby? I live in {v}, probably should of said that first",
        ),
        (
            "We moved to {v}.",
            "just moved to {v}!!",
            "sorry for being so quiet, we moved house to {v} and it ate my whole week, still no sofa though",
            (
                "Please stop suggesting restaurants from my old town, I've relocated to {v} because the "
                "rent was getting silly"
            ),
        ),
        (
            "{n} lives in {v}.",
            "{n} lives over in {v} with two cats",
            "i think i told you {n} lives in {v}, so sunday visits are a bit of a trek for us",
            "need a present that ships to {v}, thats where {n} lives, and nothing with nuts pls",
        ),
        (
            "{n} moved to {v} last month.",
            "{n} lives in {v} now",
            "ok so {n} finally did it and relocated to {v}, cant blame anyone after that winter",
            (
                "Heads up for the christmas cards: {n} has moved house and has been living in {v} since the "
                "summer, so don't use the old address"
            ),
        ),
    ),
    "employer": Phrasings(
        (
            "I work for {v}.",
            "i work at {v}",
            "I've been working for {v} for about six years and honestly the canteen is the best part",
            "could you help me write a linkedin blurb, my employer is {v}, keep it short and not too salesy",
        ),
        (
            "I started working at {v} on Monday.",
            "switched jobs, im at {v} now",
            "quick update, I quit my old job becuase of the commute and now I work at {v}, so fix my cv please",
            (
                "First week at my new job at {v} is done, everybody's really nice so far, though I keep "
                "getting lost in the building"
            ),
        ),
        (
            "{n} works at {v}.",
            "{n} works for {v} im pretty sure",
            "my friend {n} is employed by {v} and gets a staff discount, should I ask for it or is that rude?",
            "i'm meeting {n} tomorrow, you know, the one who works over at {v}, what should i bring",
        ),
        (
            "{n} left for a job at {v}.",
            "{n} just started working at {v}",
            "turns out {n} changed jobs and works at {v} now, didnt even tell us lol",
            "{n} got laid off in spring but has landed a new job with {v} thankfully, so lets send flowers",
        ),
    ),
    "job": Phrasings(
        (
            "I work as a {v}.",
            "im a {v} by profession",
            "i'm a {v} so my hours are all over the place, can you build me a workout plan around that",
            "For the insurance form, my occupation is {v}, and leave the other fields blank for now",
        ),
        (
            "I work as a {v} now.",
            "changed careers, im a {v} now",
            (
                "after ten years i was so done with my old job, so i went back to school and now i work as "
                "a {v}, pay is worse but whatever"
            ),
            "Could you change my profession in the bio to {v}? I made the switch in January and haven't looked back",
        ),
        (
            "{n} is a {v}.",
            "{n} works as a {v}, i believe",
            "you could ask {n}, who's a {v} and knows everybody in that line of work",
            "my neighbour {n} is a {v} by trade and always up super early, should i buy earplugs or just say something",
        ),
        (
            "{n} works as a {v} now.",
            "{n} changed careers and is now a {v}",
            "apparantly {n} got bored of the old career and is working as a {v} these days, good for them",
            "When you draft the bio for {n}, don't put the old profession, it's {v} since the career change.",
        ),
    ),
    "phone": Phrasings(
        (
            "My number is {v}.",
            "my cell is {v}",
            "the courier wants a phone number, mine is {v}, and tell them the bell is broken",
            "umm if the restaurant wants to call back my mobile number is {v}, evenings are better",
        ),
        (
            "My new number is {v}.",
            "got a new phone number, {v}",
            (
                "i switched providers and couldnt keep my old phone number so its {v} from now on, please "
                "fix it in my signature"
            ),
            "Lost my phone on the train, ugh. My phone number is {v} now, the old one is dead",
        ),
        (
            "{n}'s number is {v}.",
            "{n}'s mobile: {v}",
            "save this for later, {n}'s cell is {v}, but only text because calls never get picked up",
            "if the babysitter cancels try {n}, the phone number is {v} and its fine to ring late",
        ),
        (
            "{n}'s new number is {v}.",
            "{n} changed phone numbers, its {v} now",
            "{n} dropped the phone in the lake lol so theres a new number, {v}, can you update my contacts",
            "Don't use the old mobile number for {n} anymore, it goes to a stranger, the right one now is {v}",
        ),
    ),
    "email": Phrasings(
        (
            "my email is {v}",
            "you can reach me by email at {v}",
            "please send the tickets to my email, {v}, and check they all go in one pdf",
            "i need to sign up for the newsletter thing, use {v} thats my email, no marketing stuff though",
        ),
        (
            "My new email is {v}",
            "switched my email to {v}",
            (
                "my old inbox was drowning in spam so I made a new email address, it's {v}, could you "
                "change it on the booking"
            ),
            "hey so they closed my old account, email me at {v} from now on pls",
        ),
        (
            "{n}'s email is {v}",
            "{n}'s email address: {v}",
            "can you forward the minutes to {n}, the email address is {v}, and maybe cc the others too",
            "i always forget this so write it down, {n}'s e-mail is {v}, no idea why i never saved it",
        ),
        (
            "{n}'s new email is {v}",
            "{n} switched email, now it's {v}",
            "the mail to {n} bounced twice because the email adress changed, its {v} now, resend it when you can",
            "{n} finally got rid of that silly old email address and uses {v} now, so please fix the mailing list",
        ),
    ),
    "dish": Phrasings(
        (
            "My favorite food is {v}.",
            "fav dish? {v}, easily",
            "{v} has to be my favourite food hands down, know any place that does it well around here?",
            (
                "its my birthday saturday and i want to cook my all time favorite meal, {v}, for like eight "
                "people, how much do i buy"
            ),
        ),
        (
            "My new favorite dish is {v}.",
            "my favorite food is {v} now",
            "i used to say something else but after that trip {v} is my favorite meal, please plan it in for friday",
            (
                "Okay I've been converted, {v} is my number one dish now, my old favorite just doesn't do "
                "it for me anymore"
            ),
        ),
        (
            "{n}'s favorite dish is {v}.",
            "{n} loves {v} above any other food",
            "im cooking for {n} on saturday whose favorite food is {v}, got an easy recipe?",
            "pretty sure {n}'s favourite meal is {v}, at least thats what gets ordered every single time we go out",
        ),
        (
            "{n}'s new favorite dish is {v}.",
            "{n}'s favorite food is {v} now",
            (
                "funny, {n} has gone off the old favorite and {v} is the favorite dish now, so change the "
                "birthday menu please"
            ),
            "since the holiday {n} has a new favourite meal, {v}, we've had it three times this week already",
        ),
    ),
    "manager": Phrasings(
        (
            "My boss is {v}.",
            "i report to {v}",
            "my manager is {v} and i need to ask for friday off, can you help me word it",
            "so {v} is my boss right, and keeps booking meetings at lunch, how do i push back without sounding rude",
        ),
        (
            "My new boss is {v}.",
            "i report to {v} now",
            "there was a reorg last week and {v} is my manager now, so send my expense reports there from now on",
            "My old boss retired, so now I've got {v} as my manager, seems alright so far i guess",
        ),
        (
            "{n} reports to {v}.",
            "{n}'s boss is {v}",
            "we should cc {v} as well, being {n}'s manager and all, otherwise this never gets signed off",
            "{n} works under {v}, who's a pretty strict boss from what i hear, so keep the email formal",
        ),
        (
            "{n}'s new manager is {v}.",
            "{n} reports to {v} now",
            "after the reorg {n} got a different boss, its {v} now, so update the org chart when you get a sec",
            "{n} changed teams and now works under a new boss, {v}, which explains the good mood tbh",
        ),
    ),
    "car": Phrasings(
        (
            "I drive a {v}.",
            "my car is a {v}",
            "i drive a {v} and theres a weird rattle when i brake, should i be worried?",
            "Which winter tyres would fit my car? It's a {v}, about five years old I think.",
        ),
        (
            "I traded my car in for a {v}.",
            "new car, i drive a {v} now",
            "the old car failed inspection so we sold it and i'm driving a {v} now, can you look for insurance quotes",
            "update for the insurance stuff, my car is a {v} now, had to get something bigger because of the dog",
        ),
        (
            "{n} drives a {v}.",
            "{n}'s car is a {v}",
            "{n} is picking you up and drives a {v} so you cant miss it, just dont be late",
            "can 3 suitcases fit in a {v}? thats what {n} drives, and we were offered a lift",
        ),
        (
            "{n} drives a {v} now.",
            "{n}'s new car is a {v}",
            "{n} sold the old car, too many repairs, and got a {v} instead, kinda jealous ngl",
            "did i mention {n} has a new car? its a {v}, so we need different roof bars for the trip",
        ),
    ),
    "deadline": Phrasings(
        (),
        (),
        (
            "Project {p} is due {v}.",
            "deadline for Project {p} is {v}",
            "hey can you make me a checklist for Project {p}, its due on {v} and i havent started lol",
            "Project {p} needs to be done by {v}, no idea how but lets at least block some time for it",
        ),
        (
            "The new deadline for Project {p} is {v}.",
            "due date of Project {p} changed to {v}",
            (
                "good news i guess, they shifted the deadline of Project {p} to {v} since half the team is "
                "sick, please redo the plan"
            ),
            "so Project {p} is due {v} now, forget the old date, can you move the reminders",
        ),
    ),
    "budget": Phrasings(
        (),
        (),
        (
            "The budget for Project {p} is {v}.",
            "Project {p} has a budget of {v}",
            "we've got a {v} budget on Project {p} so dont suggest anything crazy expensive pls",
            "Can you set up a cost sheet for Project {p}? Total budget is {v}, travel is handled seperately",
        ),
        (
            "The new budget for Project {p} is {v}.",
            "Project {p} budget is {v} now",
            (
                "finance changed their mind again, the budget for Project {p} is {v} now, so we may have to "
                "rethink the venue"
            ),
            (
                "um they went over the numbers for Project {p} again and the budget is now {v}, could you "
                "redo the spreadsheet before the call"
            ),
        ),
    ),
    **UNLISTED,
}
