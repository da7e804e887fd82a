"""What everyday words are signs of: enough to file a message under a label nobody announced."""

from dataclasses import dataclass
from functools import cache

from aistudio.llm.simulation.reading import stems


@dataclass(frozen=True)
class Concept:
    """A thing messages are about.

    Attributes:
        names: phrases of stems by which a label may call it.
        signs: phrases of stems that speak for it.
    """

    names: frozenset[str]
    signs: frozenset[str]


# Each line: names, a bar, signs. Phrases are separated by commas.
TEXT = """\
billing, payment, finance, invoice, accounting, accounts payable, charge, refund, money | invoice, \
charged, charge, bill, billed, payment, paid, pay, refund, credit card, card, receipt, overcharged, \
double charged, charged twice, fee, vat, tax, bank, transaction, money back, reimbursement, subscription \
renewal, statement, debit
technical, tech, support, bug, error, defect, incident, engineering, problem, troubleshooting, fault, \
broken | error, crash, crashed, bug, broken, not work, stopped working, fail, failed, failing, install, \
freeze, frozen, slow, outage, fix, glitch, issue, does not load, not load, not open, blank screen, black \
screen, error message, sync, timeout, log in, login, password, reset, exception, 500, 404, down, \
troubleshoot, unable to, can not, api, integration, configure, disconnect
sales, sale, purchase, buying, commercial, lead, prospect, pricing, quote, pre-sales, upsell | buy, \
purchase, quote, pricing, price, prices, cost, demo, trial, license, licenses, seats, upgrade, \
enterprise, interested in, discount, proposal, volume, offer, subscription, how much, annual, evaluate, \
evaluating, vendor, team of, employees, procurement, budget
account, access, login, profile, authentication, identity | password, log in, login, sign in, account, \
username, two-factor, 2fa, profile, locked out, email address, reset my, verification code, access
shipping, delivery, logistics, fulfilment, fulfillment, shipment, tracking | package, parcel, delivery, \
delivered, deliver, tracking, courier, shipment, shipped, ship, shipping, arrived, arrive, not arrived, \
warehouse, customs, late, transit, order
return, exchange, refund, warranty, replacement | return, refund, exchange, replacement, wrong size, \
send back, money back, warranty, damaged, defective, wrong item
cancel, cancellation, churn, unsubscribe, offboarding, retention | cancel, cancelling, unsubscribe, \
terminate, close my account, leaving, stop my, end my subscription, not renew, switch to, opt out
complaint, negative, angry, unhappy, dissatisfied, bad, detractor, frustrated, sad, critical review, \
hostile | terrible, awful, angry, disappointed, disappointing, worst, unacceptable, rude, hate, bad, \
poor, waste, frustrated, frustrating, horrible, useless, annoying, annoyed, ridiculous, disgusting, \
unhappy, dirty, overpriced, never again, sad, complain, complaint, ruined, broke, broken, slow, cold, \
boring, disaster, regret, fail, fed up, nobody helped
praise, positive, happy, satisfied, compliment, good, promoter, thank you, thanks, joy, friendly | love, \
loved, great, excellent, amazing, wonderful, fantastic, perfect, happy, best, good, recommend, awesome, \
brilliant, delighted, impressed, superb, thank you, thanks, delicious, beautiful, pleased, enjoyed, \
enjoy, outstanding, smooth, helpful, lovely, glad
urgent, high, critical, emergency, p1, p0, severe, severity 1, immediate, escalate, hot, blocker, \
important, now | urgent, urgently, asap, immediately, emergency, critical, outage, production, down, \
right now, blocked, deadline, breach, hacked, everyone, data loss, losing, can not work, all customers, \
at once, today, fire, lawsuit, danger, injured, unconscious, as soon as
low, minor, routine, p3, p4, trivial, cosmetic, not urgent, can wait, later, cold | minor, whenever, no \
rush, typo, cosmetic, suggestion, small, curious, no hurry, someday, nice to have, when you have time, \
not urgent, low priority, slightly, color, colour
spam, junk, scam, phishing, fraud, unsolicited, fake | winner, won, prize, lottery, click, click here, \
free, bitcoin, crypto, claim, congratulations, limited time, investment, wire, inheritance, guaranteed, \
act now, miracle, casino, earn, cash, gift card, million, pills, viagra, lucky, selected
feature, feature request, enhancement, idea, suggestion, improvement, wish, product feedback | feature, \
would be nice, would be great, would love, add, please add, wish, suggestion, suggest, dark mode, \
roadmap, option to, ability, allow us, it would help, improvement, could you add, idea
question, general inquiry, inquiry, information, faq, how-to, help request | how, what, when, where, \
which, why, wondering, explain, question, information, opening hours, do you, is it possible, could you \
tell, can you tell, know whether
human resources, hr, people, job, career, recruiting, recruitment, hiring, applicant, payroll | resume, \
cv, vacancy, apply, application, hiring, job, position, salary, vacation, leave, parental, payroll, \
benefits, interview, onboarding, holiday, sick, employee, candidate
legal, compliance, privacy, contract, law | gdpr, contract, lawyer, attorney, terms, privacy, data \
protection, lawsuit, liability, nda, subpoena, copyright, trademark, agreement, clause, regulation, \
court, delete my data
security, abuse, vulnerability, cyber | hacked, breach, phishing, vulnerability, malware, suspicious, \
unauthorized, leak, leaked, ransomware, exploit, stolen, virus, attacker, compromised
marketing, press, media, partnership, partner, advertising, pr | campaign, press, journalist, \
partnership, partner, sponsor, affiliate, collaborate, newsletter, advert, brand, influencer, webinar, \
article, reporter, reseller
hardware, device, equipment | laptop, printer, screen, keyboard, battery, monitor, mouse, cable, router, \
phone, charger, headset, camera, device, fan, disk, docking
software, application, app | app, application, install, update, windows, program, version, excel, \
plugin, browser, license, operating system, uninstall, macro, driver
network, connectivity, internet, wifi | wifi, wi-fi, vpn, internet, connection, dns, offline, ethernet, \
bandwidth, latency, network, firewall, proxy, lan
sport, sports | match, team, goal, league, player, coach, game, score, cup, tournament, championship, \
striker, olympic, race, football, tennis, basketball, win
politics, political, government | election, minister, parliament, vote, president, senate, government, \
party, congress, campaign, policy, mayor, bill, coalition
technology, science and technology, tech news, computing | software, ai, chip, startup, smartphone, \
computer, processor, robot, cloud, gadget, algorithm, developer, data centre, quantum
business, economy, economics, market, finance news | market, shares, stock, revenue, profit, economy, \
merger, investors, inflation, interest rate, quarterly, bank, earnings, acquisition, company
health, medical, medicine, healthcare, wellness | doctor, patient, symptoms, disease, pain, vaccine, \
hospital, medicine, appointment, prescription, fever, headache, nurse, therapy, diet, clinic, blood
travel, tourism, trip, booking, reservation | flight, hotel, trip, airport, booking, visa, luggage, \
passport, vacation, beach, itinerary, reservation, tourist, train
food, restaurant, cooking, dining, meal, recipe | recipe, restaurant, meal, taste, pizza, cook, dish, \
dinner, bread, soup, waiter, menu, bake, lunch, spicy
education, school, academic, learning | student, school, course, exam, teacher, homework, university, \
lecture, class, grade, curriculum
entertainment, culture, art, movie, music | movie, film, music, actor, album, concert, song, series, \
theatre, theater, band, festival, director
weather, climate | rain, snow, storm, temperature, sunny, wind, cloud, forecast, degrees, hurricane, \
thunder
fruit | apple, banana, orange, pear, grape, mango, strawberry, cherry, lemon, peach, kiwi, melon
vegetable | carrot, potato, spinach, broccoli, onion, cabbage, cucumber, pepper, lettuce, leek, bean, \
pea
animal | dog, cat, horse, bird, cow, fish, lion, tiger, elephant, rabbit, pet, puppy
approve, approved, accept, accepted, pass, valid, eligible, allow, publish, keep, safe, clean | \
complete, within policy, meets, valid, correct, signed, under the limit, confirmed, attached, all \
documents, great, thanks, thank you, helpful, learned, agree, nice, love
reject, rejected, deny, denied, decline, fail, invalid, ineligible, block, hide, remove, toxic, unsafe, \
offensive, abusive, hateful | missing, expired, exceeds, invalid, without receipt, incomplete, wrong, \
over the limit, violates, forged, not signed, no receipt, idiot, idiots, stupid, hate, insult, kill, \
shut up, moron, dumb, nobody likes, garbage, loser
english | the, and, is, of, to, my, this, have, with, you
french, français | le, la, les, des, est, je, vous, bonjour, une, pas, mon, pour, merci, et
german, deutsch | der, die, das, und, ist, ich, nicht, ein, eine, mein, guten, bitte, wir, danke
spanish, español | el, los, las, es, una, por, hola, gracias, mi, no funciona, muy, que, para, está
italian, italiano | il, gli, che, sono, una, ciao, grazie, non, per, mio, questo, della
portuguese, português | os, uma, não, obrigado, você, meu, para, olá, está, com
dutch, nederlands | het, een, niet, ik, mijn, goed, dank, hallo, van, voor
sad, sadness, grief, sorrow | cry, crying, cried, lost, died, death, grief, miss, lonely, tears, sad, \
funeral, heartbroken, mourn, gone
angry, anger, furious, rage | angry, furious, unacceptable, outrageous, ridiculous, fed up, hate, rude, \
annoyed, worst, lawyer, how dare
happiness, joy, joyful, delight, excited | happy, delighted, joy, wonderful, love, celebrate, yay, \
excited, great news, smile, laugh
fear, afraid, anxious, worried, anxiety | afraid, scared, worried, anxious, nervous, panic, fear, \
terrified, threat
emergency, critical, life-threatening, p0 | unconscious, not breathing, collapsed, bleeding, fire, chest \
pain, stroke, heart attack, immediately, emergency, outage, complete outage
greeting, hello, smalltalk, small talk | hello, hi, hey, good morning, good evening, good afternoon, how \
are you, nice to meet
human, agent, representative, escalate, escalation | talk to a human, speak to, real person, human, \
representative, someone, manager, supervisor, agent, your robot, call me
formal | dear, sincerely, regards, hereby, would like to, sir, madam, kindly, pursuant, respectfully, \
yours faithfully
informal, casual | hey, dude, whats up, lol, gonna, yo, btw, thx, cool, haha, guys, cya, wanna
documentation, docs | readme, typo, docs, documentation, tutorial, example, guide, spelling, manual, \
section, page, link, explain how
plant, flora | oak, leaf, leaves, tree, flower, rose, grass, moss, root, bush, fern, seed, garden, plant
mineral, rock | quartz, stone, rock, granite, iron, gold, salt, crystal, ore, copper, diamond
grain, cereal | rice, wheat, oats, barley, corn, rye, bread, pasta, quinoa, millet
enterprise, corporate, large company, large | corporation, global, thousands, procurement, countries, \
compliance, single sign-on, sso, security review, employees, head of, offices, hundreds
startup, smb, small business, small company, small | startup, founder, bakery, shop, small, few, \
freelancer, family, two of us, four people, side project, local, tight budget, just started
engineering, development, developer, it, backend | developer, backend, frontend, python, java, code, \
software engineer, api, apis, infrastructure, database, cloud, devops, programming, deploy
rent, housing, utilities | rent, landlord, apartment, lease, mortgage, electricity, heating, water bill
groceries, grocery, supermarket | supermarket, grocery, groceries, milk, market, walmart, lidl, aldi, \
tesco, food
salary, income, wages | salary, payroll, wage, employer, income, bonus, monthly pay
meeting, appointment, scheduling, calendar | meet, meeting, schedule, call, calendar, invite, agenda, \
appointment, thursday, discuss, available, reschedule
"""


@cache
def concepts() -> tuple[Concept, ...]:
    """All concepts, in the order they stand."""
    found = []
    for line in TEXT.strip().splitlines():
        names, signs = line.split("|")
        found.append(Concept(names=_phrases(names), signs=_phrases(signs)))
    return tuple(found)


@cache
def concept(name: str) -> Concept:
    """The concept a label may call by this name; it must exist."""
    key = " ".join(stems(name))
    return next(one for one in concepts() if key in one.names)


def named_in(phrase: str) -> list[Concept]:
    """The concepts a label or its description calls by name."""
    line = f" {' '.join(stems(phrase))} "
    return [one for one in concepts() if any(f" {name} " in line for name in one.names)]


def _phrases(text: str) -> frozenset[str]:
    return frozenset(" ".join(stems(phrase)) for phrase in text.split(","))
