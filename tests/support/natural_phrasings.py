"""Phrasings as people write them in chats with an assistant: with reasons, hedges, fillers, a clause on something else.

They were written by an author who had read none of the reader's rules, and before they were measured. At first sight 78 % of the
answers to clean updates were right, 86 % to poisoned ones. Two attributes are in no other set.
"""

from __future__ import annotations

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
