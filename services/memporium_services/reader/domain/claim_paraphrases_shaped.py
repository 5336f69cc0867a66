"""More statements that show what attributes sound like: of values of a form of their own; see `claim_prototypes`.

They are such as the others alone did not tell for certain.
"""

from __future__ import annotations

SHAPED: dict[str, dict[str, tuple[str, ...]]] = {
    "phone": {
        "phone": (
            "NAME picks up at {v}.", "{v} is the number that rings in NAME's pocket.", "NAME's cell is {v}.",
            "NAME now uses {v}.", "NAME lost the old phone, so now it is {v} to call NAME.",
            "Text NAME at {v}, please.",
        ),
        "": (
            "NAME dialled {v} by mistake.", "NAME got a text from {v}.",
        ),
    },
    "email": {
        "email": (
            "For anything in writing, {v} works for NAME.", "NAME reads everything that comes to {v}.",
            "NAME is now using {v}.", "Drop NAME a line at {v}.", "Just shoot NAME an email, {v}.",
            "NAME has moved all NAME's mail to {v}.", "NAME gets mail under {v}.", "NAME answers mail sent to {v}.",
            "NAME has retired the old mailbox, mail goes to {v} now.", "NAME replaced the old address by {v}.",
        ),
        "": (
            "NAME forwarded it to {v}.", "NAME got spam from {v}.",
        ),
    },
    "date": {
        "deadline": (
            "NAME was moved to {v}.", "NAME wraps up on {v}.", "NAME was delayed until {v}.",
            "NAME goes live on {v}.", "NAME must land by {v}.", "The delivery date of NAME is {v}.",
            "The team has until {v} for NAME.", "NAME is delivering NAME on {v}.",
        ),
        "": (
            "NAME was discussed on {v}.", "NAME has been running since {v}.",
        ),
    },
    "money": {
        "budget": (
            "NAME now has a budget of {v}.", "NAME may now spend {v}.", "NAME has {v} to work with.",
            "NAME got more money, {v} in all.", "NAME has {v} available.", "NAME's budget has been cut to {v}.",
            "NAME has {v} at its disposal.",
        ),
        "": (
            "NAME still lacks {v}.", "NAME went over by {v}.", "NAME has used up {v} so far.",
        ),
    },
    "work": {
        "job": (
            "NAME's business card says {v}.", "NAME turned into a {v}.", "NAME qualified as a {v} and works as one.",
            "NAME found work as a {v}.", "NAME has become a {v}.", "NAME has been a {v} since school.",
            "NAME is a {v} by trade.", "NAME, a {v}, lives nearby.", "NAME quit NAME's desk job to become a {v}.",
            "NAME has just qualified as a {v}.", "NAME's line of work is that of a {v}.",
            "New career: NAME is a {v}.", "NAME practises as a {v}.", "NAME started out anew as a {v}.",
            "NAME is a {v} now.", "NAME is a {v} these days.", "They made NAME {v} last week.",
            "NAME gave up NAME's old job and became a {v}.", "NAME has the job of {v}.",
            "NAME spend NAME's working days as a {v}.", "NAME has taken on the role of {v}.",
            "NAME is a {v}, and a good one.", "NAME has been a {v} for years.", "NAME work as a {v} in a small town.",
            "NAME's trade is {v}.", "NAME has been a {v} all NAME's life.", "NAME is a {v}",
            "NAME is a {v} in a big firm.", "NAME gave up the old job and is a {v} now.",
        ),
        "": (
            "NAME has grown as a {v}.", "It was a huge success for NAME as a {v}.",
            "Becoming a {v} is a big deal, says NAME.", "All the hard work of NAME as a {v} has paid off.",
            "NAME is like a {v} to the children.", "NAME studies to be a {v}.", "NAME was a {v} long ago.",
            "NAME's father is a {v}.", "NAME plays a {v} in the film.", "NAME has been {v}.",
            "NAME {v} work for a living", "NAME's {v} left",
        ),
    },
    "taste": {
        "favourite": (
            "NAME picks {v} over any other dish.", "Nothing beats {v}, it is NAME's favourite.",
            "NAME adores {v}, it is NAME's absolute favourite.",
            "NAME has gone off the old favourite, it is {v} now.", "{v} tops NAME's list of dishes.",
            "No dish pleases NAME more than {v}.", "NAME could eat {v} every day, it is NAME's favourite dish.",
            "For NAME, {v} is the best dish.", "Of all dishes NAME likes {v} best.",
            "NAME fell in love with {v}, NAME's new favourite dish.", "NAME's number one dish is {v}.",
            "The favourite dish of NAME is {v}.", "NAME's favourite dish has changed to {v}.",
            "NAME has got a new favourite dish: {v}", "NAME has a new favourite dish: {v}",
            "NAME's go-to favourite dish is {v}.", "NAME's new favourite dish: {v}",
            "NAME's favourite dish became {v}.", "NAME's favourite dish turned out to be {v}.",
            "NAME discovered {v}, which is the favourite dish now.",
            "NAME discovered {v} and it is now NAME's favourite dish.", "NAME enjoys {v} above all other dishes.",
            "NAME's favourite dish these days is {v}.", "{v} is the best dish, for NAME.",
            "NAME live on {v}, it is NAME's favourite dish.", "NAME like {v} best of all the dishes.",
            "NAME now like {v} best of all dishes.", "NAME likes {v} best these days.",
            "Forget the old one, {v} is NAME's favourite dish now.",
            "NAME loves {v} more than anything else on the menu.",
        ),
        "": (
            "Those days are {v} of NAME's favourite dish.", "NAME {v} the best dish.",
            "NAME is on a {v} for the best dish.", "It is {v} to see what is best for NAME.",
            "NAME's favourite dish is easy to {v}.", "NAME ate the favourite dish {v} friends.",
            "The best dish for NAME {v} in spring.", "NAME {v} favourites, it is stew now.",
            "Most of all NAME {v} the people.", "NAME {v} what the best dish is.",
            "NAME has {v} a new favourite dish: goulash", "NAME is best dish at {v}@box.example.",
            "NAME is best dish at carla94@{v}.example.", "NAME is best dish at carla94@box.{v}.",
            "The best dish for NAME is {v}@box.example.", "The best dish for NAME is tilda48@{v}.example.",
            "The best dish for NAME is tilda48@box.{v}.", "The best dish for NAME is {v}@post.example.",
            "The best dish for NAME is nils66@{v}.example.", "{v} the old one, gnocchi is NAME's favourite dish now.",
            "NAME loves paella more than anything else on the {v}.",
        ),
    },
}  # fmt: skip
