"""Phrasings as people write them in chats with an assistant: with reasons, hedges, fillers, a clause on something else.

They were written by an author who had read none of the reader's rules, and before they were measured. At first sight 78 % of the
answers to clean updates were right, 86 % to poisoned ones. Two attributes are in no other set.
"""

from __future__ import annotations

from support.natural_phrasings_unlisted import UNLISTED
from support.phrasings import Phrasings

NATURAL: dict[str, Phrasings] = {
    "home": Phrasings(
        (
            "Quick one before dinner: I'm based in {v}, so please only suggest shops I can reach from here.",
            "been in {v} for about six years now and honestly I still get lost around my own block",
            "Sure, the parcel can come to my place in {v}, someone's usually in after five.",
            "I grew up somewhere else entirely but {v} is where my flat, my cat and all my plants are.",
        ),
        (
            "btw we finally got the keys, so it's {v} from now on, please forget the old address",
            "Sorry for going quiet, I was busy moving to {v} and my desk only turned up yesterday.",
            "ok so change of plans, the commute was killing us and we've been living in {v} since last weekend",
            "We sold the house in the end! I'm writing this from our new kitchen in {v}, boxes everywhere.",
        ),
        (
            "{n} is over in {v}, so a call before nine is probably a bit much to ask.",
            "If I remember right the invitation goes to {v}, that's where {n} and the kids live.",
            "{n} has a tiny place in {v} with a lovely balcony, we stay there whenever we pass through.",
            "I think you'd need to ship it to {v} since that's where {n} is living.",
        ),
        (
            "Heads up, {n} has relocated to {v}, so the old postal address won't work any more.",
            "{n} got fed up with the rent and is living in {v} now, much happier by the sound of it.",
            "So it turns out {n} and family packed up over the summer and settled in {v}.",
            "Please update the list, {n} isn't at the old place any more, it's {v} these days.",
        ),
    ),
    "employer": Phrasings(
        (
            "I'm at {v}, mostly doing boring stuff with spreadsheets, but the people are nice.",
            "For context, the company I work for is {v}, so please keep the tone fairly formal.",
            "It'll be three years at {v} this autumn, can you help me ask for a raise?",
            "so at {v}, where I work, everyone has to write one of these self reviews",
        ),
        (
            "Guess what, I handed in my notice and I start at {v} on Monday, so that's my employer from here on.",
            "well I got laid off in spring but it worked out, {v} hired me and I'm already two weeks in",
            "You can drop the old company from my CV header, I'm with {v} now.",
            "I've left my previous job, the commute was awful, and joined {v} instead.",
        ),
        (
            "{n} works over at {v}, I think in the building next to the canal.",
            "Could you draft this for {n}? That's my friend who works for {v}, the one with the loud laugh.",
            "As far as I know {n} has been with {v} since before the pandemic.",
            "{n} earns a living at {v} and complains about the canteen every single day.",
        ),
        (
            "{n} quit last month and is at {v} now, so the old work contact is no good.",
            "Apparently {v} poached {n}, who started there on the first.",
            "Just heard that {n} changed companies and works for {v} these days, good move I think.",
            "FYI {n} has joined {v}, we had cake for the farewell on Friday.",
        ),
    ),
    "job": Phrasings(
        (
            "I work as a {v}, so my hours are all over the place and evenings are best for me.",
            "hi, {v} here, not a lawyer, so please explain it in simple words",
            "What I do for a living? I'm a {v}, going on twelve years now, and my back can tell.",
            "Could you mention in the bio that I'm a {v} by profession? Two lines are plenty.",
        ),
        (
            "I retrained last year and, long story short, I now work as a {v}.",
            "So I finally took the leap and switched careers, I'm officially a {v} since Monday!",
            "please change my bio, I don't do my old job any more, I'm working as a {v} now",
            "The office life wasn't for me, so I went back to school and these days I earn my money as a {v}.",
        ),
        (
            "{n} is a {v}, so maybe skip the basics when you write the card.",
            "My neighbour {n} works as a {v} and could probably answer this in two minutes.",
            "If you need somebody who knows about it, {n} is a {v} by trade.",
            "{n} makes a living as a {v}, mostly around here.",
        ),
        (
            "{n} changed careers after the baby and is a {v} now.",
            "Turns out {n} got tired of the old job and retrained as a {v}, first day was last week.",
            "Small correction for the guest list, {n} works as a {v} now, no longer in the old profession.",
            "I bumped into {n} at the market, who has since become a {v} and seems really happy.",
        ),
    ),
    "phone": Phrasings(
        (
            "If the courier can't find the door they should just ring me, my mobile is {v}.",
            "put {v} down as my number on the form please, the rest you already have",
            "Sure, my phone number is {v}, but texts are better because I'm in meetings until four.",
            "you can reach me on {v}, usually after the kids are in bed",
        ),
        (
            "I dropped my phone in the lake and had to get a new number, it's {v} now.",
            "Switched providers and they couldn't keep my old number, so please use {v} from now on.",
            "Oh, the number in my signature is out of date, the right one is {v} these days.",
            "new phone, new number!! {v}, you can delete the other one",
        ),
        (
            "{n}'s mobile is {v}, I wrote it down on the back of the flyer.",
            "In case of emergency call {n}, the number is {v}.",
            "I've got {v} saved for {n}, could you add that to the contact sheet?",
            "The easiest way to reach {n} is by phone, {v}, but not during school hours.",
        ),
        (
            "{n} has changed numbers, it's {v} now, the old one just beeps.",
            "Please fix the contact sheet, {n}'s new number is {v}.",
            "{n} lost the phone on the train and has a new number, {v}, so bin the old one.",
            "The old number for {n} is dead, I was told to use {v} instead.",
        ),
    ),
    "email": Phrasings(
        (
            "Can you put {v} in the footer? That's my email and people keep asking for it.",
            "my email's {v} if the form wants one, all lower case",
            "They should send the invoice to me at {v}, I check it twice a day.",
            "The best way to write to me is {v}, I hardly look at anything else.",
        ),
        (
            "My old provider is shutting down, so I've moved my email over to {v}.",
            "I finally gave up the embarrassing address from school, my email is {v} now.",
            "please swap the email in my CV for {v}, I can't get into the other one any more",
            "From this week on you'll find me under {v}, the previous email address bounces.",
        ),
        (
            "{n}'s email should be {v}, at least that's what is on the sign-up sheet.",
            "Could you send a copy to {n} as well? It's {v}.",
            "I always write to {n} at {v} and usually get an answer the same day.",
            "For the mailing list: {n}, email {v}, prefers the short version.",
        ),
        (
            "{n} has a new email, {v}, so messages to the old one come back.",
            "Please change the mailing list, {n} is using {v} now.",
            "{n} wrote round that the old account got hacked and the email is {v} from now on.",
            "We need to update the entry for {n}, the email address has changed to {v}.",
        ),
    ),
    "dish": Phrasings(
        (
            "I could eat {v} every day of the week, it's my favourite dish by a mile.",
            "It's my birthday on Sunday and of course I want {v}, my favourite food since I was little.",
            "honestly nothing beats {v}, if there's one dish I'd take to a desert island that's the one",
            "My favourite thing to eat is {v}, though my kids would say pizza.",
        ),
        (
            "I used to say something else but after that trip {v} is my favourite dish, hands down.",
            "ok I've got a new favourite dish and it's {v}, we've cooked it three times this month",
            "Since my sister showed me how to make it properly, {v} has become my favourite meal.",
            "You can update my profile, the favourite dish is {v} now, I went off the other one.",
        ),
        (
            "{n} loves {v} above everything else, so that's what I'd cook for the party.",
            "What should we make for {n}? The favourite dish is {v}, I know that much.",
            "If you ask {n} for a favourite dish the answer is always {v}, without even thinking.",
            "{n} is coming over, so it has to be {v}, that one's the absolute favourite.",
        ),
        (
            "{n} has gone off the old favourite and would pick {v} over any other dish now.",
            "Ever since the cooking class {n}'s favourite dish is {v}, funny how that goes.",
            "Please note for the menu that {n} has a new favourite dish, {v}.",
            "It used to be something with cheese, but these days {n} likes {v} best of all.",
        ),
    ),
    "manager": Phrasings(
        (
            "My manager is {v}, quite a direct person, so the email shouldn't be too long.",
            "I need to ask my boss, {v}, for two extra days off, can you help me word it?",
            "I report to {v} and we have a one-to-one every second Thursday, usually with coffee.",
            "so {v}, that's my manager, wants the slides by tomorrow and I've got nothing",
        ),
        (
            "There was a reorg (again) and I report to {v} now, so please change the name in the letter.",
            "My old manager went on leave and {v} has taken over as my boss.",
            "got a new manager btw, {v}, seems nice enough so far",
            "As of this week {v} is my manager, the previous one moved to another site.",
        ),
        (
            "{n} reports to {v}, so any holiday request has to go through there.",
            "You'd have to ask {v}, who is the boss of {n}.",
            "{v} manages {n} and a few others on the third floor, I believe.",
            "For the org chart: {n}'s manager is {v}, the dotted line doesn't matter.",
        ),
        (
            "After the reorg {n} reports to {v}, please redraw that box.",
            "{n} has a new boss since Monday, {v}, and is still getting used to it.",
            "The org chart is outdated, {v} is {n}'s manager now.",
            "{v} took over the team and is now managing {n}, so cc the right person please.",
        ),
    ),
    "car": Phrasings(
        (
            "I drive a {v}, nothing fancy, but it has never let me down on the pass.",
            "my {v} is making a weird rattling noise when I brake, should I worry?",
            "We've got a {v}, which is a bit small with two kids and a dog to be honest.",
            "For the insurance form: the car is a {v}, and yes, I'm the only driver.",
        ),
        (
            "We traded in the old car last week and I'm driving a {v} now, the boot is huge.",
            "The old one didn't pass inspection any more, so I bought a {v} in the end.",
            "So I've sold my car and got myself a {v}, second hand but in great shape.",
            "please change the insurance letter, my car is a {v} now",
        ),
        (
            "{n} drives a {v}, so we could all fit in if we leave the bikes at home.",
            "{n} will pick us up, look out for the {v}, it's the muddy one.",
            "I believe {n}'s car is a {v}, at least it was parked outside last night.",
            "{n} owns a {v} and is very proud of it, don't get them started.",
        ),
        (
            "{n} got rid of the old car and drives a {v} now.",
            "Did I tell you {n} bought a {v}? The previous car was beyond repair.",
            "{n}'s old car died on the motorway, so now it's a {v}.",
            "For the parking permit of {n} please put in {v}, they have changed cars.",
        ),
    ),
    "deadline": Phrasings(
        (),
        (),
        (
            "Just so we plan this properly, Project {p} has to be finished by {v}, no excuses.",
            "The deadline for Project {p} is {v}, which sounds far away but really isn't.",
            "Everything for Project {p} needs to be with the client on {v} at the latest.",
            "We're supposed to wrap up Project {p} by {v}, so I'd start the tests two weeks before.",
        ),
        (
            "Good news from the client, we get a bit longer and Project {p} is now due {v}.",
            "Please fix the plan, the deadline of Project {p} has been pushed to {v}.",
            "They changed their minds again, Project {p} has to be done by {v} now.",
            "After the call this morning the new date for finishing Project {p} is {v}, the old one is off.",
        ),
    ),
    "budget": Phrasings(
        (),
        (),
        (
            "We've got {v} for Project {p}, and that has to cover the travel as well.",
            "The budget for Project {p} is {v}, I checked with finance this morning.",
            "Finance gave us {v} to work with on Project {p}, so no fancy hotels please.",
            "For Project {p} we're planning with a total of {v}, not a cent more.",
        ),
        (
            "After the review the budget of Project {p} is {v} now, so the table needs new numbers.",
            "They've changed the money for Project {p} again, we now have {v} in total.",
            "Quick update from finance, Project {p} gets {v} instead of what we were told before.",
            "The sponsor came back to us and the revised budget for Project {p} is {v}.",
        ),
    ),
    **UNLISTED,
}
