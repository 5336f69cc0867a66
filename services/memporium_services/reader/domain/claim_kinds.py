"""Names by the kind of thing that they stand for; those of other names are told by them; see `claim_meaning`."""

from __future__ import annotations

# Names that everybody knows, by the kind of thing that they stand for.
KINDS = {
    "place": (
        "Paris", "London", "Tokyo", "Chicago", "Madrid", "Lagos", "Vienna", "Lisbon", "Mumbai", "Toronto", "Helsinki",
        "Santiago", "Nairobi", "Melbourne", "Manchester", "Bordeaux", "Naples", "Los Angeles", "Buenos Aires",
        "Hamburg", "Osaka", "Bogota", "Krakow", "Seville", "Dublin", "Antwerp", "Geneva", "Texas", "Brazil", "Zagreb",
    ),
    "company": (
        "Microsoft", "Siemens", "Acme Corp", "Walmart", "Nestle", "Infosys", "Google", "Accenture", "Pfizer",
        "Deloitte", "Datacorp", "Medisoft", "Brightline Systems", "Nordbank", "Technova", "Lumitech", "Omnicorp",
        "Finexa", "Amazon", "Unilever", "Cybersys", "Greenfield Industries",
    ),
    "person": (
        "John Smith", "Maria Garcia", "Ahmed Khan", "Anna Novak", "Tom Brown", "Lucy Chen", "Pierre Dubois",
        "Ingrid Larsen", "Carlos Mendez", "Priya Sharma", "Emma", "Michael", "Fatima", "Oliver", "Sophie Wagner",
        "Kwame Mensah",
    ),
    "car": (
        "Toyota", "Ford", "BMW", "Honda", "Mercedes", "Nissan", "Audi", "Volkswagen", "Hyundai", "Chevrolet",
        "Kia Sportage", "Ford Focus", "VW Golf", "Jaguar", "Suzuki", "Citroen",
    ),
    "other": (
        "Christmas", "Monopoly", "Netflix", "Python", "Spanish", "Harry Potter", "Beatles", "Luna", "Buddy", "NBA",
        "SIM", "CEO", "PhD", "Wi-Fi", "Minecraft", "Star Wars", "Instagram", "Twitter", "God", "Mozart", "YouTube",
        "Financial Analyst", "Olympics", "Wow", "Thanks", "Congrats", "Great", "Yoga", "Sunday", "TV",
        "Game of Thrones", "LGBTQ", "Italian", "Labrador",
    ),
}  # fmt: skip
