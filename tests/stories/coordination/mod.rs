//! What sessions share: races, locks, faults of Redis, every kind of Redis, the registry, messages between gateways.

mod conformance;
mod faults;
mod messages;
mod registry;
mod sentinels;
mod suites;
mod topologies;
