//! The subjects a sample crate can be about.

/// One module of a subject.
pub(crate) struct Topic {
    /// The module's name.
    pub(crate) module: &'static str,
    /// First line of its documentation.
    pub(crate) about: &'static str,
    /// What its functions are named after.
    pub(crate) nouns: &'static [&'static str],
}

/// What a sample crate is about.
pub(crate) struct Domain {
    /// The crate's name.
    pub(crate) name: &'static str,
    /// First line of its documentation.
    pub(crate) about: &'static str,
    /// Its modules.
    pub(crate) topics: &'static [Topic],
}

/// Every subject there is.
pub(crate) const DOMAINS: &[Domain] = &[
    Domain {
        name: "freight",
        about: "Arithmetic for a small haulage firm",
        topics: &[
            topic("invoices", "What a delivery costs", &["fee", "toll", "surcharge", "deposit"]),
            topic("loads", "What fits on a lorry", &["weight", "pallet", "volume", "axle"]),
            topic("routes", "How far a lorry drives", &["distance", "detour", "stop", "fuel"]),
            topic("yards", "Where the lorries wait", &["bay", "queue", "slot", "shift"]),
        ],
    },
    Domain {
        name: "orchard",
        about: "Numbers for people who grow apples",
        topics: &[
            topic("harvests", "What was picked", &["basket", "crate", "yield", "windfall"]),
            topic("presses", "Juice and cider", &["litre", "barrel", "pulp", "batch"]),
            topic("rows", "Trees and their distances", &["tree", "graft", "gap", "trellis"]),
            topic("seasons", "When to do what", &["frost", "bloom", "prune", "spray"]),
        ],
    },
    Domain {
        name: "tideclock",
        about: "Sums of a harbour office",
        topics: &[
            topic("berths", "Who lies where", &["mooring", "quay", "draught", "buoy"]),
            topic("dues", "What a ship pays", &["tonnage", "pilotage", "wharfage", "levy"]),
            topic("tides", "High and low water", &["flood", "ebb", "slack", "height"]),
            topic("watches", "Who is on duty", &["watch", "relief", "bell", "roster"]),
        ],
    },
    Domain {
        name: "loomworks",
        about: "Calculations of a weaving mill",
        topics: &[
            topic("bobbins", "Thread in stock", &["spool", "thread", "skein", "bobbin"]),
            topic("looms", "What the machines do", &["weft", "warp", "shuttle", "reed"]),
            topic("orders", "What customers want", &["metre", "swatch", "order", "rebate"]),
            topic("wages", "What weavers earn", &["piece", "bonus", "overtime", "wage"]),
        ],
    },
    Domain {
        name: "observatory",
        about: "Figures for a hill with a telescope",
        topics: &[
            topic("exposures", "How long the shutter is open", &["frame", "shutter", "gain", "dark"]),
            topic("mounts", "Where the telescope points", &["azimuth", "slew", "gear", "offset"]),
            topic("nights", "Who observes when", &["night", "session", "visitor", "moon"]),
            topic("stores", "Where the pictures go", &["plate", "archive", "reel", "index"]),
        ],
    },
];

const fn topic(module: &'static str, about: &'static str, nouns: &'static [&'static str]) -> Topic {
    Topic { module, about, nouns }
}
