//! What the chart renders, for every switch: hardened pods, policies, budgets, and a clear word about values that make no
//! sense. Needs `helm`, no cluster.

mod render;
mod switches;
mod values;
