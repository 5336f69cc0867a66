"""The phrasings of `chatted_phrasings` for attributes that no list of the reader names."""

from __future__ import annotations

from support.phrasings import Phrasings

UNLISTED: dict[str, Phrasings] = {
    "physio": Phrasings(
        (
            "My physio is {v}.",
            "i go to {v} for physio",
            "my knee is acting up again so can you book me in with {v}, my physio, any day but tuesday",
            "my physio {v} says i should stretch twice a day but i keep forgeting, set a reminder?",
        ),
        (
            "My new physio is {v}.",
            "i go to {v} for physio now",
            "my old physio went on maternity leave so im seeing {v} instead, much gentler with the shoulder thank god",
            "Change of plan with the back stuff, {v} is my physio now because the other practice was too far away",
        ),
        (
            "{n}'s physio is {v}.",
            "{n} goes to {v} for physio",
            "{n} sees {v} for physio on the bad hip, maybe i should get an appointment there too",
            "i need a physio recomendation, {n}'s is {v} but i dont know if there are any slots left",
        ),
        (
            "{n}'s new physio is {v}.",
            "{n} is seeing {v} for physio now",
            "{n} wasnt happy with the old physio and changed to {v}, says its a lot better already",
            "the physio for {n} is {v} now, the other one retired, so cancel the old appointments please",
        ),
    ),
    "bedtime": Phrasings(
        (
            "I go to bed at {v}.",
            "my bedtime is {v}",
            "i usually go to bed at {v} so no notifications after that please",
            "my bedtimes {v} most nights, i know, super boring, how much sleep is that if i get up at six?",
        ),
        (
            "I go to bed at {v} now.",
            "my new bedtime is {v}",
            "since the new shifts started im going to bed at {v}, so move the wind down playlist to match",
            "I've changed my bedtime to {v} because I was tired all the time, let's see how long that lasts",
        ),
        (
            "{n} goes to bed at {v}.",
            "{n}'s bedtime is {v}",
            "{n} is off to bed at {v} most nights so dont let me call too late",
            "when the sitter comes tell her {n}'s bedtime is {v}, and one story only",
        ),
        (
            "{n}'s new bedtime is {v}.",
            "{n}'s bedtime is {v} now",
            "we changed {n}'s bedtime to {v} since school started again, can you shift the bath reminder too",
            "{n} has been so tired lately so its off to bed at {v} now instead, fingers crossed",
        ),
    ),
    "wifi password": Phrasings(
        (
            "the wifi password at my place is {v}",
            "my wifi pw is {v}",
            "friends are coming over, make a little sign with my wifi password, its {v}, something cute with a cat",
            "i can never rember my wifi password so please keep it for me, its {v}, thanks a lot",
        ),
        (
            "My new wifi password is {v}",
            "changed my wifi password to {v}",
            "the router died and i set up a new one, so my wifi password is {v} now, dont give out the old one",
            "had to change my wifi password because the neighbours were leeching off it, now it's {v}",
        ),
        (
            "{n}'s wifi password is {v}",
            "the wifi password at {n}'s is {v}",
            "im house sitting for {n} next week, the wifi password there is {v}, remind me to water the plants too",
            "just so i have it, {n}'s wifi password is {v}, i think the router's upstairs somewhere",
        ),
        (
            "{n}'s new wifi password is {v}",
            "wifi password at {n}'s is now {v}",
            "couldn't get online at {n}'s last night cause theres a different wifi password now, {v}, save that",
            "{n} got hacked or something and picked a new wifi password, {v}, so forget the one i gave you before",
        ),
    ),
    "locker": Phrasings(
        (
            "My locker is {v}.",
            "my locker number is {v}",
            "my locker at work is {v} and the lock is jammed again, who do you even call for that?",
            "remind me to empty my locker on friday, it's number {v}, theres a banana in there",
        ),
        (
            "My new locker is {v}.",
            "my locker is {v} now",
            "theyre redoing the changing room so i got moved to locker {v}, which is miles from the showers",
            "Had to give up my old locker because the door was bent, mine is {v} now, please note it down",
        ),
        (
            "{n}'s locker is {v}.",
            "{n} has locker {v}",
            "please drop the shoes off for {n}, the locker is {v}, code's on the post it",
            "i think {n} uses locker {v} at the pool, the one with the stickers on it",
        ),
        (
            "{n}'s new locker is {v}.",
            "{n} has locker {v} now",
            "{n} got a different locker after the flood, its {v}, so dont put the gloves in the old one",
            "fyi the school gave {n} another locker, number {v}, since the first one wouldnt lock",
        ),
    ),
    "coffee order": Phrasings(
        (
            "I always get {v} when I order coffee.",
            "my go to coffee order is {v}",
            "if you do the cafe run my coffee order is {v} and maybe a croissant if they have any left",
            "can you add my coffee order to the team list, its {v}, no sugar thanks",
        ),
        (
            "My new coffee order is {v}.",
            "switched my coffee order to {v}",
            "my stomach didnt like the old one so my coffee order is {v} now, pls fix it on the team list",
            (
                "Been trying to change a few habits, so from now on I'm ordering {v} as my coffee, we'll "
                "see if I survive the mornings"
            ),
        ),
        (
            "{n}'s coffee order is {v}.",
            "{n} always orders {v} for coffee",
            "im getting coffees for everyone, {n}'s order is {v}, what did the others want again?",
            "bringing coffee tomorrow to say thanks to {n}, whose usual order is {v}, which cafe opens early?",
        ),
        (
            "{n}'s new coffee order is {v}.",
            "{n}'s coffee order is {v} now",
            "{n} doesnt do the old coffee order anymore, its {v} now, doctors advice apparently",
            (
                "small correction for the coffee run, {n} has switched orders and takes {v} now, and "
                "someone wanted a muffin"
            ),
        ),
    ),
    "parking bay": Phrasings(
        (
            "I've got parking bay {v}.",
            "my parking spot is bay {v}",
            "my parking bay at work is {v} and some guy keeps leaving his van in it, can you help me write a note",
            "the visitors can use my parking bay on monday, its {v}, im working from home that day",
        ),
        (
            "Got a new parking bay, {v}.",
            "my parking bay changed to {v}",
            (
                "theyre digging up half the car park so ive been given bay {v} to park in, tell the garage "
                "guy when he collects the car"
            ),
            "Swapped parking bays with a colleague who needs the charger, so mine is {v} now.",
        ),
        (
            "{n} has parking bay {v}.",
            "{n}'s spot is parking bay {v}",
            "whoever is blocking bay {v} has to move, thats where {n} parks, can you send round a message",
            "i can use {n}'s parking bay this week, its {v}, remind me to say thanks",
        ),
        (
            "{n} has parking bay {v} now.",
            "{n} is in parking bay {v} now",
            "{n}'s old parking bay was too narrow so its a different one now, bay {v}, update the list please",
            (
                "for the car park plan, {n} isn't in the old bay any more but parks in {v}, the rest stays "
                "the same i think"
            ),
        ),
    ),
    "godmother": Phrasings(
        (
            "My godmother is called {v}.",
            "{v}, thats my godmother",
            "my godmother {v} turns seventy in may, what do you get someone who has everything?",
            "need help with a thank you card for {v}, who is my godmother, she sent me money again",
        ),
        (
            "I got that wrong, my godmother is {v}.",
            "my godmother is actually {v}",
            "i asked my mum and my real godmother is {v}, not the one i told you, so fix the guest list",
            (
                "Sorry, I mixed up my aunts earlier: the one who's my godmother is {v}, please change that "
                "in the family tree"
            ),
        ),
        (
            "{n}'s godmother is called {v}.",
            "{n}s godmother? thats {v}",
            "{n} has {v} for a godmother, so she should sit up front at the party, can you do a seating plan",
            "{v} wants gift ideas for {n}, being the godmother and all, somewhere around fifty euros maybe",
        ),
        (
            "{n}'s new godmother is {v}.",
            "{n}'s godmother is {v} now",
            (
                "change of plans for the christening, the first choice moved abroad so {v} is going to be "
                "{n}'s godmother now"
            ),
            "i told you the wrong name before, {n}'s godmother is actually {v}, can you fix it on the invitation",
        ),
    ),
}
