//! A deterministic World: virtual clock, links, hosts and the scenario player.
