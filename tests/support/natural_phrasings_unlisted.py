"""The phrasings of `natural_phrasings` for attributes that no list of the reader names."""

from __future__ import annotations

from support.phrasings import Phrasings

UNLISTED: dict[str, Phrasings] = {
    "physio": Phrasings(
        (
            "My knee is acting up again, so I'm seeing my physio, {v}, on Thursday.",
            "I go to {v} for physio, it's just round the corner from the office.",
            "{v} is my physiotherapist and told me to do these three times a day, can you make a plan?",
            "the exercises are from {v}, that's my physio, and they hurt like hell",
        ),
        (
            "My physio retired, so I'm with {v} now, first session went well.",
            "I didn't get on with the last one, so I switched physios and see {v} these days.",
            "The practice closed down and now {v} is my physio, a bit further away but much better.",
            "new physio since this week btw, {v}, please put that into the reminder",
        ),
        (
            "{n} goes to {v} for physio, twice a week I think.",
            "{n}'s physio is {v}, maybe they have a free slot for you as well.",
            "The one who treats {n}'s shoulder is {v}, the physio near the park.",
            "Since the accident {n} has been seeing {v}, a physio, every Tuesday.",
        ),
        (
            "{n} has moved to another physio, {v}, because the old one was always booked out.",
            "{n}'s physio went on maternity leave, so it's {v} now.",
            "Please change the appointment card, {n} now sees {v} for physio.",
            "{n} wasn't getting better and changed physios, the new one is {v}.",
        ),
    ),
    "bedtime": Phrasings(
        (
            "I usually go to bed at {v}, so nothing after that please.",
            "my bedtime is {v}, I know that makes me sound like I'm eighty",
            "On a normal day I turn off the light around {v} and read for ten minutes first.",
            "Don't plan any calls late in the evening, I'm normally asleep by {v}.",
        ),
        (
            "New job means early starts, so I go to bed at {v} now.",
            "I've been trying to sleep more and changed my bedtime to {v}, feels great so far.",
            "Since the baby came I'm in bed at {v}, can you adapt the evening routine?",
            "the old bedtime wasn't working for me any more, it's {v} these days",
        ),
        (
            "{n} goes to bed at {v}, so please ring before that.",
            "{n}'s bedtime is {v}, no matter what the babysitter says.",
            "Don't text {n} too late, the lights go out at {v} over there.",
            "As a rule {n} is in bed by {v}, even on holiday.",
        ),
        (
            "{n} has changed the evening routine and goes to bed at {v} now.",
            "The doctor advised more sleep, so {n}'s new bedtime is {v}.",
            "Since the clocks changed {n} is going to bed at {v}, not at the old time.",
            "Note for the sitter, {n}'s bedtime is now {v}, we moved it last week.",
        ),
    ),
    "wifi password": Phrasings(
        (
            "For the welcome sheet: my wifi password is {v}, and the towels are in the bathroom cupboard.",
            "the password for my wifi is {v}, please put it in big letters on the sign",
            "Guests always ask, so, the wifi here at mine works with {v}, capital letters matter.",
            "If the printer wants to connect, you type in {v}, that's the password of my wifi.",
        ),
        (
            "The neighbours were using our internet, so I changed my wifi password to {v}.",
            "We got a new router yesterday and now my wifi password is {v}, please redo the sign.",
            "I had to reset the wifi after the power cut, the new password is {v}.",
            "the wifi password on the welcome sheet is wrong now, I've set it to {v}",
        ),
        (
            "When you're at {n}'s place, the wifi password is {v}.",
            "{n}'s wifi password is {v}, I wrote it on a sticky note last time.",
            "I asked {n} for the wifi password and it's {v}, if I typed it right.",
            "The network at {n}'s house opens with {v} as the wifi password.",
        ),
        (
            "{n} changed the wifi password, it's {v} now.",
            "{n} has a new router, so the wifi password is {v}, the old sticky note can go.",
            "If you can't get online at {n}'s, the wifi password is {v} since last week.",
            "Please update the sheet, the new wifi password at {n}'s is {v}.",
        ),
    ),
    "locker": Phrasings(
        (
            "I left my shoes at the gym, they're in my locker, number {v}.",
            "my locker is {v}, second row, the one that always jams",
            "Remind me that my stuff is in locker {v}, I forget it after every swim.",
            "I've got locker {v} at work, so you can leave the parcel there.",
        ),
        (
            "The lock broke and they moved me, so my locker is {v} now.",
            "They're renovating the changing rooms and I had to move my things to locker {v}.",
            "I have a new locker by the way, {v}, much closer to the showers.",
            "the old locker was too small for my helmet, so I got {v} instead",
        ),
        (
            "{n}'s locker is {v}, just put the jacket in front of it.",
            "{n} has locker {v}, right at the end of the corridor.",
            "If you find a key ring, it's for locker {v}, that's the one {n} uses.",
            "On the staff list {n} is down for locker {v}.",
        ),
        (
            "{n} had to switch lockers because of the leak and has {v} now.",
            "Please change the staff list, {n} has been moved to locker {v}.",
            "{n} isn't at the old locker any more, the new one is {v}.",
            "After the renovation {n} got locker {v}.",
        ),
    ),
    "coffee order": Phrasings(
        (
            "When we meet I'll have my usual, {v}, that's my coffee order everywhere.",
            "if you're doing the round for the meeting, my coffee order is {v}, thanks!",
            "I'm a creature of habit, I always get {v} when we go for coffee.",
            "Put me down for {v} on the coffee list, it's what I order every morning.",
        ),
        (
            "I've had to cut down a bit, so my coffee order is {v} now.",
            "Change of coffee order for me please, it's {v} from now on, my stomach said no to the old one.",
            "Since the new place opened downstairs I order {v} instead of my old coffee.",
            "I used to get something else but lately my coffee order is always {v}.",
        ),
        (
            "{n}'s usual coffee is {v}, and a croissant if they have any left.",
            "For the coffee run: {n} takes {v}.",
            "When we go out for coffee {n} orders {v}, every single time.",
            "{n} will want {v}, that has been the coffee order for ages.",
        ),
        (
            "{n} has switched to {v}, so don't bring the old coffee order.",
            "For the coffee run, {n} wants {v} now, it's different from before.",
            "Apparently {n} is sleeping badly and the coffee order is now {v}.",
            "Please update the coffee list, {n} orders {v} these days.",
        ),
    ),
    "parking bay": Phrasings(
        (
            "The visitor can use my parking bay on Friday, it's {v}, I'm working from home.",
            "my parking bay is {v}, right beside the pillar, so I scrape the door about once a month",
            "For the garage form, I've got parking bay {v} on the lower level.",
            "I always park in {v}, that's the bay that came with my flat.",
        ),
        (
            "They're painting the garage, so I've got a different parking bay now, {v}.",
            "The landlord finally let me swap and my parking bay is {v} now, no more pillar!",
            "please correct the garage form, I've been given bay {v} since the first of the month",
            "I gave my old parking bay to the neighbour and took {v} instead.",
        ),
        (
            "{n} has parking bay {v}, next to the lift.",
            "If the car in {v} has its lights on, tell {n}, it's their parking bay.",
            "{n} normally parks in bay {v}, at least on office days.",
            "On the garage plan {v} is the parking bay of {n}.",
        ),
        (
            "{n} swapped parking bays with a colleague and has {v} now.",
            "Please change the garage plan, {n} has moved to parking bay {v}.",
            "{n} doesn't park in the old bay any more, it's {v} these days.",
            "Because of the works {n} was moved to a new parking bay, {v}.",
        ),
    ),
    "godmother": Phrasings(
        (
            "My godmother {v} is turning seventy, what could I write in the card?",
            "I got the ring from {v}, she's my godmother, so it means a lot to me.",
            "my godmother's called {v} and she basically raised me",
            "We're staying with {v} over Easter, my godmother, she has a spare room.",
        ),
        (
            "Sorry, I mixed that up in the family tree, my godmother is actually {v}.",
            "I asked my mum again and it's {v} who is my godmother, not the one I told you.",
            "Please fix the name in the card, my godmother is {v}, I had it wrong.",
            "so I looked at the baptism papers and, surprise, {v} is my godmother",
        ),
        (
            "{n}'s godmother, {v}, is giving the speech after lunch.",
            "The lady in the blue hat is {v}, she's the godmother of {n}.",
            "When {n} was baptised {v} was chosen as godmother.",
            "Seat {v} next to {n}, she is the godmother after all.",
        ),
        (
            "I had it wrong in the seating plan, {n}'s godmother is {v}.",
            "Please correct the family tree, the godmother of {n} is actually {v}.",
            "It has come out that {n}'s real godmother is {v}, not who we all thought.",
            "We checked with the parish again and {v} is {n}'s godmother, the earlier name was a mistake.",
        ),
    ),
    "running club": Phrasings(
        (
            "I run with the {v} twice a week, that's my running club, so Tuesdays and Sundays are taken.",
            "my running club is called {v}, can you make a funny slogan for our shirts?",
            "For the race form: running club {v}, bib size M, no allergies.",
            "I've been a member of the {v} since spring, it's the running club by the river.",
        ),
        (
            "I've changed running clubs, I'm with the {v} now, they train a bit later in the evening.",
            "My old club folded, so these days I do my runs with the {v}.",
            "please put {v} as my running club on the race form, I left the other one",
            "Since we moved I joined a new running club, the {v}, lovely bunch.",
        ),
        (
            "{n} runs for the {v}, you know, that running club with the orange shirts.",
            "{n}'s running club is the {v}, they meet behind the stadium.",
            "In the results list {n} should be under {v}, that's the running club.",
            "I know {n} from the {v}, where we both go running on Tuesdays as members.",
        ),
        (
            "{n} left the old running club and is with the {v} now.",
            "Please correct the results list, {n} runs for the {v} these days.",
            "{n} has switched running clubs and joined the {v}.",
            "{n}'s new running club is the {v}, the training times were better.",
        ),
    ),
    "allotment plot": Phrasings(
        (
            "We grow tomatoes on our allotment, it's plot {v}, the one with the crooked shed.",
            "my allotment plot is {v} if you need it for the letter to the committee",
            "I've had plot {v} at the allotments for years and the soil is still all clay.",
            "The water bill is for {v}, that's my plot at the allotment.",
        ),
        (
            "The committee moved us because of the flooding, so my allotment plot is {v} now.",
            "I've swapped plots with a neighbour at the allotments and have {v} now, more sun!",
            "please change the letter, we gave up the old allotment plot and got {v} instead",
            "After two years on the waiting list I got a bigger allotment plot, {v}, so the old one is gone.",
        ),
        (
            "{n}'s allotment plot is {v}, right beside the compost heap.",
            "{n} has plot {v} on the allotments and grows the best beans of all.",
            "On the allotment plan {n} is down for plot {v}.",
            "The bees are on {v}, which is {n}'s allotment plot, so go round the other way.",
        ),
        (
            "{n} has moved to another allotment plot, {v}, closer to the gate.",
            "Please update the allotment plan, {n} has plot {v} now.",
            "{n} gave the old plot back and was given {v} at the allotments.",
            "{n} swapped allotment plots over the winter, the new one is {v}.",
        ),
    ),
}
QUESTIONS = {
    "running club": "Which running club is {n} in?",
    "allotment plot": "Which allotment plot does {n} have?",
}
CLUBS = (
    "Harbour Harriers",
    "Milestone Runners",
    "Canal Striders",
    "Early Larks",
    "Hill Hoppers",
    "Sunday Plodders",
    "North Gate Joggers",
    "Red Lace Club",
)
PLOTS = ("4", "11", "17", "23B", "31", "38", "42A", "56")
