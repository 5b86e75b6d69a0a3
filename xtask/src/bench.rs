//! `cargo xtask bench`: the release broker next to Apache Kafka, by a driver that others' clients
//! power (integration-tests/src/bin/bench).

use crate::checkout::Checkout;
use crate::process::run;
use crate::{doctor, install};

/// Builds both, installs Kafka, and runs the driver, which reads `arguments` and prints the tables.
pub fn run_bench(checkout: &Checkout, arguments: &[String]) -> Result<(), String> {
    doctor::require()?;
    let variables = install::all(checkout, install::CLIENTS)?;
    run(checkout.cargo().args(["build", "--release", "--package", "strom"]))?;
    // The driver's time goes to librdkafka, which its build script optimises in any profile.
    let mut driver = checkout.cargo();
    driver.args(["run", "--package", "strom-integration-tests", "--bin", "bench"]);
    driver.envs(variables).env("STROM_BIN", checkout.target.join("release/strom"));
    run(driver.arg("--").args(arguments))
}
