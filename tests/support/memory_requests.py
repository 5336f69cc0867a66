"""Made-up requests to a memory, with what each asks for. The moment of asking is Wednesday, 15 May 2024, 10:00 UTC.

Each line: the request, its kind, and fields that are not empty: `t` the window of time ("a/b", either side may be empty),
`e` entities, `s` whose words, `p` persona, `x` scope, `y` memory types, `g` labels, `n` most results, `o` output,
`c` what to keep, `q` words that the query must hold.

Every third request (`held_back`) was not looked at while the rules were written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2024, 5, 15, 10, 0, tzinfo=UTC)
_LINES = """
What did Ana say about Rome last week? | RECALL | t=2024-05-06/2024-05-13; e=Ana,Rome; s=Ana; q=rome
When is my dentist appointment? | RECALL | q=dentist appointment
Remember that the spare key is under the blue pot. | REMEMBER | c=the spare key is under the blue pot
Forget everything about Marco. | FORGET | e=Marco; q=marco
Update my address to 12 Elm Street. | UPDATE | c=my address is 12 Elm Street
List all notes tagged garden. | LIST | g=garden
Do you remember where we parked yesterday? | RECALL | t=2024-05-14/2024-05-15; q=parked
Please delete what I told you about the surgery. | FORGET | s=me; q=surgery
Actually, Ben lives in Oslo now. | UPDATE | e=Ben,Oslo; c=Ben lives in Oslo now
Show me everything you know about Priya. | LIST | e=Priya; q=priya
Note that Lena is allergic to walnuts. | REMEMBER | e=Lena; c=Lena is allergic to walnuts
Who recommended the plumber? | RECALL | q=recommended plumber
What have I said about the budget since March? | RECALL | t=2024-03-01/; s=me; q=budget
How many times did Tom cancel in 2023? | RECALL | t=2023-01-01/2024-01-01; e=Tom; o=COUNT; q=cancel
Don't forget that rent is due on the first. | REMEMBER | c=rent is due on the first
I moved to Lisbon in April. | REMEMBER | e=Lisbon; c=I moved to Lisbon in April
Change the wifi password from sun to moon. | UPDATE | c=the wifi password is moon
Erase all memories from last year. | FORGET | t=2023-01-01/2024-01-01
Give me the five latest notes on the boiler. | LIST | n=5; o=LATEST; q=boiler
As my work persona, what is the status of Project Apollo? | RECALL | p=work; e=Project Apollo; q=status
Summarise what Dana told me about the merger. | RECALL | e=Dana; s=Dana; o=SUMMARY; q=merger
Which restaurants did we try before Christmas? | RECALL | q=restaurants
What is the capital of the client list in the handbook pack? | RECALL | x=MOUNTED; q=client list
Search only my own notes for the visa number. | RECALL | x=OWN; q=visa number
Between 3 April and 10 April, what did Sofia promise? | RECALL | t=2024-04-03/2024-04-11; e=Sofia; s=Sofia; q=promise
Keep in mind that Oskar prefers tea. | REMEMBER | e=Oskar; c=Oskar prefers tea
Remove the memory of my old phone number. | FORGET | q=phone number
Correction: the meeting is at four, not at three. | UPDATE | c=the meeting is at four, not at three
My sister's name is Ines. | REMEMBER | e=Ines; c=My sister's name is Ines
Tell me what happened two days ago. | RECALL | t=2024-05-13/2024-05-14
What do you know about my preferences? | LIST | y=PREFERENCE
List my skills. | LIST | y=SKILL
How many memories are there about Peru? | LIST | e=Peru; o=COUNT; q=peru
Wipe everything tagged draft. | FORGET | g=draft
Save this: the alarm code is 4711. | REMEMBER | c=the alarm code is 4711
Could you remind me what Grandma's recipe needs? | RECALL | e=Grandma; q=recipe
What did I do in the last three days? | RECALL | t=2024-05-12/2024-05-16
Replace Kim's email with kim@new.example. | UPDATE | e=Kim; c=Kim's email is kim@new.example
Where does Yusuf work? | RECALL | e=Yusuf; q=work
According to Felix, is the bridge safe? | RECALL | e=Felix; s=Felix; q=bridge safe
Jot down: buy oil for the saw. | REMEMBER | c=buy oil for the saw
Show the documents about onboarding. | LIST | y=DOMAIN_KNOWLEDGE; q=onboarding
What was the last thing Nora mentioned? | RECALL | e=Nora; s=Nora; o=LATEST; q=
Forget that I ever mentioned Claire. | FORGET | e=Claire; s=me; q=claire
I no longer eat meat. | UPDATE | c=I no longer eat meat
Is Hugo still in Berlin? | RECALL | e=Hugo,Berlin; q=hugo berlin
Find the conversation with Mei from 2 May. | RECALL | t=2024-05-02/2024-05-03; e=Mei; y=EPISODE; q=conversation
In my home persona, list the birthdays. | LIST | p=home; q=birthdays
Get rid of the notes from yesterday. | FORGET | t=2024-05-14/2024-05-15
Why did we leave the old flat? | RECALL | q=leave flat
Make a note: Pavel returns on Monday. | REMEMBER | e=Pavel; c=Pavel returns on Monday
What did you tell Irene about the refund? | RECALL | e=Irene; s=you; q=refund
Set the thermostat preference to 19 degrees. | UPDATE | c=the thermostat preference is 19 degrees
Until last Friday, who was on call? | RECALL | t=/2024-05-11; q=on call
Show the top 3 facts about volcanoes. | LIST | n=3; y=FACT; q=volcanoes
Remember to water the ferns. | REMEMBER | c=water the ferns
Do I have any plans for next month? | RECALL | t=2024-06-01/2024-07-01; q=plans
Scrub all traces of the Zurich deal. | FORGET | e=Zurich; q=zurich deal
What are the names of Ada's cats? | RECALL | e=Ada; q=names cats
Nina told me that the shop closes early. | REMEMBER | e=Nina; c=Nina told me that the shop closes early
Which of my own memories mention the lake? | RECALL | x=OWN; q=lake
Look up the serial number of the drill. | RECALL | q=serial number drill
After 20 April, did Leo write anything about taxes? | RECALL | t=2024-04-21/; e=Leo; s=Leo; q=taxes
Briefly, what is known about the leak? | RECALL | o=SUMMARY; q=leak
Drop what you know on my ex. | FORGET | q=ex
It's not Tuesday but Thursday that the bins go out. | UPDATE | c=It's not Tuesday but Thursday that the bins go out
Enumerate the scenes with Greta. | LIST | e=Greta; y=SCENE; q=greta
What have we discussed lately about insurance? | RECALL | t=2024-04-15/2024-05-16; q=insurance
Please remember my locker number is 88. | REMEMBER | c=my locker number is 88
What's Omar's favourite colour? | RECALL | e=Omar; q=favourite colour
Delete the last two notes. | FORGET | n=2; o=LATEST
From the licensed packs, what are the rules for hazardous goods? | RECALL | x=MOUNTED; q=rules hazardous goods
Who called me this morning? | RECALL | t=2024-05-15/2024-05-16; q=called
Memorise this number: 555 0199. | REMEMBER | c=555 0199
Everything about the kitchen renovation, please. | LIST | q=kitchen renovation
We switched from Slack to Matrix. | UPDATE | e=Slack,Matrix; c=We switched from Slack to Matrix
Did Vera mention the lawsuit during January 2024? | RECALL | t=2024-01-01/2024-02-01; e=Vera; s=Vera; q=lawsuit
Show me the notes with the tag taxes from 2022. | LIST | g=taxes; t=2022-01-01/2023-01-01
Unlearn my credit card number. | FORGET | q=credit card number
How old is Theo? | RECALL | e=Theo; q=old
Log that I took the pills at nine. | REMEMBER | c=I took the pills at nine
Can you recall the joke that Max made at dinner? | RECALL | e=Max; q=joke dinner
Change my doctor to Dr. Brandt. | UPDATE | e=Dr. Brandt; c=my doctor is Dr. Brandt
What did she say about the contract? | RECALL | s=she; q=contract
List what Emil said in May. | LIST | t=2024-05-01/2024-06-01; e=Emil; s=Emil
Never forget: the stove stays hot. | REMEMBER | c=the stove stays hot
Where was I on 2024-02-29? | RECALL | t=2024-02-29/2024-03-01; q=
Throw away the notes about the failed audit. | FORGET | q=failed audit
I am allergic to penicillin. | REMEMBER | c=I am allergic to penicillin
Give me an overview of the Helsinki project. | RECALL | e=Helsinki; o=SUMMARY; q=helsinki project
Search everywhere for the invoice of the roofers. | RECALL | x=ALL; q=invoice roofers
What did I forget to pack last summer? | RECALL | t=2023-06-01/2023-09-01; q=pack
Our landlord is now Mr. Keller. | UPDATE | e=Mr. Keller; c=Our landlord is now Mr. Keller
Show my profile. | LIST | y=PROFILE
For the record, Hana paid me back. | REMEMBER | e=Hana; c=Hana paid me back
Compare what Ana and Ben think of the plan. | RECALL | e=Ana,Ben; q=plan
How long have we known the Okafors? | RECALL | e=Okafors; q=known
Show me ten memories about hiking. | LIST | n=10; q=hiking
Clear all memories about Rita before 2023. | FORGET | e=Rita; t=/2023-01-01; q=rita
Tell me about the trip to Kyoto. | RECALL | e=Kyoto; q=trip kyoto
Add to memory: the gate code changed to 9090. | REMEMBER | c=the gate code changed to 9090
Fix the date of the wedding: it is 8 June. | UPDATE | c=the date of the wedding: it is 8 June
What tools did the agent use on Sunday's run? | RECALL | q=tools agent
Remember when we got lost in Prague? | RECALL | e=Prague; q=lost
As a teacher, what did I note about Jonas? | RECALL | p=teacher; e=Jonas; s=me; q=jonas
Which memories carry the label urgent? | LIST | g=urgent
Delete my preference for window seats. | FORGET | q=window seats
What time does the library close? | RECALL | q=library close
Store the fact that Saturn has rings. | REMEMBER | e=Saturn; c=Saturn has rings
Ana's phone number changed to 0170 5. | UPDATE | e=Ana; c=Ana's phone number changed to 0170 5
Since last Monday, what has Ola reported? | RECALL | t=2024-05-13/; e=Ola; s=Ola; q=reported
Don't remember anything about this evening. | FORGET | t=2024-05-15/2024-05-16
Are there any notes on the leaking tap? | LIST | q=leaking tap
Would Mia like a book about trains? | RECALL | e=Mia; q=book trains
In the past two weeks, which bugs were fixed? | RECALL | t=2024-05-01/2024-05-16; q=bugs fixed
Write down that the boiler needs service in October. | REMEMBER | c=the boiler needs service in October
Please make sure nothing about my salary is kept. | FORGET | q=salary
What's new about the election? | RECALL | o=LATEST; q=election
Show me the tool traces of the importer. | LIST | y=TOOL_TRACE; q=importer
Is it true that Karim sold the boat? | RECALL | e=Karim; q=sold boat
The password for the router is swordfish. | REMEMBER | c=The password for the router is swordfish
Modify the delivery address so that it reads 5 Hill Road. | UPDATE | c=the delivery address is 5 Hill Road
Count the notes from April. | LIST | t=2024-04-01/2024-05-01; o=COUNT
What did Paul and Rosa decide on Monday last week? | RECALL | t=2024-05-06/2024-05-07; e=Paul,Rosa; q=decide
Purge the conversations with Viktor. | FORGET | e=Viktor; y=EPISODE; q=viktor
I'd like to know who painted the fence. | RECALL | q=painted fence
From now on, call me Sam. | UPDATE | e=Sam; c=call me Sam
Give me the first 4 notes about bees. | LIST | n=4; q=bees
"""

# Written after the rules, in another tone: read at first sight with 0.60 of the kinds right and 0.42 of the requests as a
# whole, and then the rules were widened with them.
_SECOND_LINES = """
any idea what my locker code was? | RECALL | q=locker code
hey, whats the name of that bakery near the station | RECALL | q=bakery station
I think Lars mentioned a deadline. When is it? | RECALL | e=Lars; s=Lars; q=deadline
so what's going on with the Bergen office | RECALL | e=Bergen; q=bergen office
could you dig up what I wrote regarding pensions in 2022? | RECALL | t=2022-01-01/2023-01-01; s=me; q=pensions
who was at the party on 4 May | RECALL | t=2024-05-04/2024-05-05; q=party
was it Julia or Amir who broke the vase? | RECALL | e=Julia,Amir; q=broke vase
has the landlord replied yet? | RECALL | q=landlord replied
pull up the latest on the Lindqvist case | RECALL | e=Lindqvist; o=LATEST; q=lindqvist case
what were my exact words about the raise? | RECALL | s=me; q=raise
in one sentence: why did the deal with Norsk fall through? | RECALL | e=Norsk; o=SUMMARY; q=deal
last month Eva had an idea for the garden. What was it? | RECALL | t=2024-04-01/2024-05-01; e=Eva; q=idea garden
what did we agree with the neighbours within the last two months? | RECALL | t=2024-03-16/2024-05-16; q=agree neighbours
What's my blood type? | RECALL | q=blood type
Look for the manual of the dishwasher in our packs | RECALL | x=MOUNTED; q=manual dishwasher
need you to keep this: passport expires 3 June 2027 | REMEMBER | c=passport expires 3 June 2027
I got a new job at the museum! | REMEMBER | c=I got a new job at the museum
The dog's vet is Dr. Olsen. | REMEMBER | e=Dr. Olsen; c=The dog's vet is Dr. Olsen
please put in your notes that Ravi is vegan | REMEMBER | e=Ravi; c=Ravi is vegan
just so you know, the heating is broken | REMEMBER | c=the heating is broken
make sure to remember my flight leaves at 7 | REMEMBER | c=my flight leaves at 7
Birthday of Clara: 9 September. | REMEMBER | e=Clara; c=Birthday of Clara: 9 September
we always buy the oat milk | REMEMBER | c=we always buy the oat milk
you should know that Pia hates surprises | REMEMBER | e=Pia; c=Pia hates surprises
my phone number isn't 555 1234 anymore, it's 555 9876 | UPDATE | c=my phone number isn't 555 1234 anymore, it's 555 9876
scratch that, the party is on Sunday | UPDATE | c=the party is on Sunday
Marta's surname is Weiss now, she got married | UPDATE | e=Marta,Weiss; c=Marta's surname is Weiss now, she got married
Swap my emergency contact for Jonas. | UPDATE | e=Jonas; c=my emergency contact is Jonas
I was wrong: the code is 8831. | UPDATE | c=the code is 8831
as of today I work from home | UPDATE | c=I work from home
you have my age wrong, I'm 41 | UPDATE | c=I'm 41
can you forget about the incident with Tobias? | FORGET | e=Tobias; q=tobias
I don't want you to keep my medical history | FORGET | q=medical history
everything on Stella must go | FORGET | e=Stella; q=stella
nuke the notes tagged temp | FORGET | g=temp
delete whatever I said on Friday last week | FORGET | t=2024-05-10/2024-05-11; s=me
please erase our chats from February | FORGET | t=2024-02-01/2024-03-01; y=EPISODE
take Miriam out of your memory | FORGET | e=Miriam; q=miriam
what have you got on Elias? | LIST | e=Elias; q=elias
let me see all notes labelled recipe | LIST | g=recipe
all memories about the allotment | LIST | q=allotment
how many facts do you have about whales | LIST | o=COUNT; y=FACT; q=whales
go through the documents on safety for me | LIST | y=DOMAIN_KNOWLEDGE; q=safety
what are the twenty newest notes? | LIST | n=20; o=LATEST
under my parent role, show what we know on vaccines | LIST | p=parent; q=vaccines
"""
# Written after that: read at first sight with 0.66 of the kinds right and 0.39 of the requests as a whole; then the rules
# were widened with them, too.
_THIRD_LINES = """
Where's the receipt for the bike? | RECALL | q=receipt bike
Has Noor ever complained about the noise? | RECALL | e=Noor; q=complained noise
I can't recall who fixed the fence, do you? | RECALL | q=fixed fence
Quick question, which doctor treated my knee? | RECALL | q=doctor knee
Refresh my memory on the Turin trip | RECALL | e=Turin; q=turin trip
What was decided at the meeting on 2 May? | RECALL | t=2024-05-02/2024-05-03; q=decided meeting
The plumber's number, please. | RECALL | q=plumber number
Which colleague did Samira praise last month? | RECALL | t=2024-04-01/2024-05-01; e=Samira; q=colleague praise
Bring me up to date on the Falk lawsuit. | RECALL | e=Falk; q=falk lawsuit
How did Ivo's exam go? | RECALL | e=Ivo; q=exam
Give me the gist of what Uma said on tariffs | RECALL | e=Uma; s=Uma; o=SUMMARY; q=tariffs
Before 2020, where did we go on holiday? | RECALL | t=/2020-01-01; q=holiday
Anyone we know in Madrid? | RECALL | e=Madrid; q=madrid
What's in the safe? | RECALL | q=safe
Wasn't there a leak in the attic last winter? | RECALL | t=2023-12-01/2024-03-01; q=leak attic
Tom is 34. | REMEMBER | e=Tom; c=Tom is 34
Keep a note that the lease ends in August. | REMEMBER | c=the lease ends in August
The cat eats twice a day | REMEMBER | c=The cat eats twice a day
Be aware that Leila can't climb stairs. | REMEMBER | e=Leila; c=Leila can't climb stairs
New contact: Ruth, 0151 22. | REMEMBER | e=Ruth; c=New contact: Ruth, 0151 22
Today I finished the marathon | REMEMBER | c=Today I finished the marathon
Commit this to memory: the boat sails at dawn. | REMEMBER | c=the boat sails at dawn
Aunt Greta sends her regards | REMEMBER | e=Aunt Greta; c=Aunt Greta sends her regards
Tell yourself that the stairs are slippery. | REMEMBER | c=the stairs are slippery
We sold the van, so it is not ours any more. | UPDATE | c=We sold the van, so it is not ours any more
Put Nils down as my dentist instead of Dr. Roth. | UPDATE | e=Nils,Dr. Roth; c=Put Nils down as my dentist instead of Dr. Roth
Turn my wake-up time into 6:30. | UPDATE | c=my wake-up time is 6:30
The Wi-Fi name has changed to Heron. | UPDATE | e=Wi-Fi,Heron; c=The Wi-Fi name has changed to Heron
Overwrite the shipping address with 3 Mill Lane. | UPDATE | c=the shipping address is 3 Mill Lane
Ida isn't vegetarian any more. | UPDATE | e=Ida; c=Ida isn't vegetarian any more
Please lose the notes about Anton. | FORGET | e=Anton; q=anton
Delete, for good, the file on Project Heron. | FORGET | e=Project Heron; q=project heron
You must not keep my location from yesterday. | FORGET | t=2024-05-14/2024-05-15; q=location
Pretend I never told you about the lottery. | FORGET | s=me; q=lottery
Could you wipe what's tagged old? | FORGET | g=old
I want all data about my heart condition deleted. | FORGET | q=heart condition
Whatever you hold on Bruno, list it. | LIST | e=Bruno; q=bruno
Dump the notes labelled shopping. | LIST | g=shopping
Tell me everything you know about orchids. | LIST | q=orchids
Show the 15 most recent entries on beekeeping | LIST | n=15; o=LATEST; q=beekeeping
Number of notes tagged travel? | LIST | g=travel; o=COUNT
"""


@dataclass(frozen=True)
class Labelled:
    """A request and what it asks for."""

    text: str
    kind: str
    held_back: bool
    fields: dict[str, str] = field(default_factory=dict)


def _read(lines: str) -> tuple[Labelled, ...]:
    made = []
    for place, line in enumerate(one for one in lines.strip().splitlines() if one.strip()):
        text, kind, *rest = (part.strip() for part in line.split(" | "))
        pairs = (part.split("=", 1) for part in (rest[0] if rest else "").split("; ") if part)
        made.append(Labelled(text, kind, place % 3 == 2, {key.strip(): value.strip() for key, value in pairs}))
    return tuple(made)


REQUESTS = _read(_LINES)
LATER = (*_read(_SECOND_LINES), *_read(_THIRD_LINES))


def read_as(one: Labelled, call: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields as they were labelled, and as they were read; a query is right where it holds the words."""
    told = one.fields
    day = "%Y-%m-%d"
    start = call.start.strftime(day) if call.start else ""
    end = call.end.strftime(day) if call.end else ""
    words = set(told.get("q", "").lower().split())
    held = sorted(word for word in words if word in call.query.lower())
    wanted = {
        "kind": one.kind,
        "time": told.get("t", ""),
        "entities": sorted(name for name in told.get("e", "").split(",") if name),
        "speaker": told.get("s", ""),
        "persona": told.get("p", ""),
        "scope": told.get("x", ""),
        "types": sorted(name for name in told.get("y", "").split(",") if name),
        "tags": sorted(name for name in told.get("g", "").split(",") if name),
        "limit": told.get("n", ""),
        "output": told.get("o", ""),
        "content": told.get("c", ""),
        "query": sorted(words),
    }
    got = {
        "kind": str(call.kind),
        "time": f"{start}/{end}" if start or end else "",
        "entities": sorted(call.entities),
        "speaker": call.speaker,
        "persona": call.persona,
        "scope": call.scope,
        "types": sorted(call.types),
        "tags": sorted(call.tags),
        "limit": str(call.limit) if call.limit else "",
        "output": "" if call.output == "ITEMS" else call.output,
        "content": call.content,
        "query": held,
    }
    return wanted, got
