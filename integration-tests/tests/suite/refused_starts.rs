//! Starts that cannot succeed: what is wrong, all of it, with the remedy; and a data directory that
//! cannot be used stays as it is. Also ends, and what a start makes of damage.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::installed::broker_binary;
use strom_integration_tests::record::Record;
use strom_integration_tests::wait::wait_for;

use crate::records::{consume, create_topic, produce};

/// What a run of the binary came to.
struct Run {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// Runs the broker with `--set` for each setting until it ends; these starts must fail.
fn run(settings: &[&str]) -> Run {
    let mut command = Command::new(broker_binary());
    for setting in settings {
        command.args(["--set", setting]);
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = wait_for_end(&mut child);
    let status = ended.unwrap_or_else(|| {
        child.kill().unwrap();
        panic!("{settings:?}: the broker started")
    });
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    Run { status, stdout, stderr }
}

fn wait_for_end(child: &mut std::process::Child) -> Option<ExitStatus> {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while std::time::Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Settings for a broker of its own on free ports.
fn on_free_ports(data: &Path) -> [String; 3] {
    [
        "listeners=PLAINTEXT://127.0.0.1:0".into(),
        "http.address=127.0.0.1:0".into(),
        format!("data.dir={}", data.display()),
    ]
}

/// Path and content of everything below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
            found.insert(path, Vec::new());
        } else {
            let content = std::fs::read(&path).unwrap();
            found.insert(path, content);
        }
    }
    found
}

#[test]
fn all_faults_of_a_configuration_are_told_at_once() {
    let data = tempfile::tempdir().unwrap();
    let settings = [
        "no.such.option=1".to_string(),
        "num.partitions=many".into(),
        "flush.policy=sometimes".into(),
        "listeners=PLAINTEXT://127.0.0.1:99999".into(),
        "log.retention.ms=a while".into(),
        "table.datalake.enabled=perhaps".into(),
        format!("data.dir={}", data.path().join("strom").display()),
    ];
    let run = run(&settings.each_ref().map(String::as_str));
    assert_eq!(run.status.code(), Some(2), "{}", run.stderr);
    assert_eq!(run.stdout, "", "errors go to stderr");
    for key in [
        "no.such.option",
        "num.partitions",
        "flush.policy",
        "listeners",
        "log.retention.ms",
        "table.datalake.enabled",
    ] {
        let lines: Vec<_> = run.stderr.lines().filter(|line| line.contains(key)).collect();
        assert_eq!(lines.len(), 1, "one line about {key}:\n{}", run.stderr);
    }
    assert!(!data.path().join("strom").exists(), "nothing was created");
}

#[test]
fn a_port_in_use_is_answered_with_the_flag_to_paste() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let data_dir = format!("data.dir={}", data.path().join("strom").display());
    let kafka =
        run(&[&format!("listeners=PLAINTEXT://{address}"), "http.address=127.0.0.1:0", &data_dir]);
    assert_eq!(kafka.status.code(), Some(1), "{}", kafka.stderr);
    assert!(kafka.stderr.contains(&address.to_string()), "{}", kafka.stderr);
    let pasted = setting_after(&kafka.stderr, "--set listeners=");
    let http = run(&[&pasted, &format!("http.address={address}"), &data_dir]);
    assert_eq!(http.status.code(), Some(1), "{}", http.stderr);
    assert!(http.stderr.contains("--set http.address="), "{}", http.stderr);
    assert!(!data.path().join("strom").exists(), "nothing was created");
    // What was to be pasted gets a broker going.
    let pasted_http = setting_after(&http.stderr, "--set http.address=");
    let mut child = Command::new(broker_binary())
        .args(["--set", &pasted, "--set", &pasted_http, "--set", &data_dir])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let addresses = data.path().join("strom/addresses.json");
    wait_for("a broker with the pasted settings", Duration::from_secs(20), || {
        addresses.exists().then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

/// `key=value` of a flag that a message tells the user to paste.
fn setting_after(message: &str, flag: &str) -> String {
    let rest = message.split_once(flag).unwrap_or_else(|| panic!("no {flag} in:\n{message}")).1;
    let value = rest.split(|c: char| c.is_whitespace() || c == ';' || c == '"').next().unwrap();
    format!("{}{value}", flag.trim_start_matches("--set "))
}

#[test]
fn all_ports_in_use_are_told_at_once() {
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [kafka, http] = taken.each_ref().map(|socket| socket.local_addr().unwrap());
    let data = tempfile::tempdir().unwrap();
    let data_dir = format!("data.dir={}", data.path().join("strom").display());
    let listeners = format!("listeners=PLAINTEXT://{kafka}");
    let run = run(&[&listeners, &format!("http.address={http}"), &data_dir]);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    for part in [kafka.to_string(), http.to_string()] {
        assert!(run.stderr.contains(&part), "{part}: {}", run.stderr);
    }
    assert_eq!(setting_after(&run.stderr, "--set http.address="), "http.address=127.0.0.1:0");
    assert!(!data.path().join("strom").exists(), "nothing was created");
}

#[test]
fn a_data_directory_in_use_is_refused_and_its_broker_serves_on() {
    let broker = Broker::start_strom(&[]);
    produce(broker.bootstrap(), "kept", &[], &[Record::text("one")]);
    let settings = on_free_ports(broker.data_dir());
    let second = run(&settings.each_ref().map(String::as_str));
    assert_eq!(second.status.code(), Some(1), "{}", second.stderr);
    let path = broker.data_dir().display().to_string();
    assert!(second.stderr.contains(&path) && second.stderr.contains("in use"), "{}", second.stderr);
    assert!(second.stderr.contains("data.dir"), "the remedy:\n{}", second.stderr);
    produce(broker.bootstrap(), "kept", &[], &[Record::text("two")]);
    assert_eq!(consume(broker.bootstrap(), "kept").len(), 2);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "something").unwrap();
    // Nobody may create anything in /sys, root included; permissions do not stop root elsewhere.
    for data in [Path::new("/sys/strom-data"), &file, &file.join("below")] {
        let settings = on_free_ports(data);
        let run = run(&settings.each_ref().map(String::as_str));
        assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
        let path = data.display().to_string();
        assert!(run.stderr.contains(&path) && run.stderr.contains("data.dir"), "{}", run.stderr);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "something");
}

#[test]
fn a_data_directory_of_a_newer_format_is_refused_untouched() {
    let mut broker = Broker::start_strom(&[]);
    produce(broker.bootstrap(), "kept", &[], &[Record::text("one")]);
    broker.stop();
    let format = broker.data_dir().join("format");
    let text = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, text.replace("format 1", "format 4711")).unwrap();
    let before = files(broker.data_dir());
    let settings = on_free_ports(broker.data_dir());
    let run = run(&settings.each_ref().map(String::as_str));
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("4711"), "{}", run.stderr);
    assert!(files(broker.data_dir()) == before, "the directory was changed");
    std::fs::write(&format, text).unwrap();
    broker.start_again();
    assert_eq!(consume(broker.bootstrap(), "kept").len(), 1);
}

#[test]
fn a_folder_of_somebody_else_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "unsaved elsewhere").unwrap();
    let before = files(folder.path());
    let settings = on_free_ports(folder.path());
    let run = run(&settings.each_ref().map(String::as_str));
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("thesis.tex"), "{}", run.stderr);
    assert!(files(folder.path()) == before, "the directory was changed");
}

#[test]
fn signals_end_it_with_one_line_and_exit_code_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(broker_binary());
        for setting in on_free_ports(&data.path().join("strom")) {
            command.args(["--set", &setting]);
        }
        let log = data.path().join("log");
        let output = std::fs::File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut child = command.spawn().unwrap();
        let read = || std::fs::read_to_string(&log).unwrap();
        let before = wait_for("the broker to say it is ready", Duration::from_secs(20), || {
            // The banner and the last line of the start are written by then.
            (read().contains("is ready") && read().contains("ready_ms")).then(read)
        });
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let status = wait_for_end(&mut child).expect("the broker ends");
        assert_eq!(status.code(), Some(0), "{}", read());
        let after = read()[before.len()..].to_string();
        assert_eq!(after.lines().count(), 1, "{signal:?}: {after:?}");
    }
}

/// Two records that are found in the journal by what they say, and the file they are in.
struct Marked {
    file: PathBuf,
    position: usize,
}

fn find_in_journal(data: &Path, marker: &str) -> Marked {
    for (file, content) in files(&data.join("journal")) {
        let found = content.windows(marker.len()).position(|window| window == marker.as_bytes());
        if let Some(position) = found {
            return Marked { file, position };
        }
    }
    panic!("{marker} is in no journal file")
}

fn flip(marked: &Marked) {
    let mut content = std::fs::read(&marked.file).unwrap();
    content[marked.position] ^= 0x20;
    std::fs::write(&marked.file, content).unwrap();
}

/// The last write of a broker that died may be torn: it ends the journal, and all before it stays.
#[test]
fn a_torn_journal_tail_ends_the_journal() {
    let mut broker = Broker::start_strom(&[]);
    create_topic(broker.bootstrap(), "torn", 1);
    for number in 0..20 {
        let text = format!("record number {number} of the torn topic.");
        produce(broker.bootstrap(), "torn", &[], &[Record::text(&text)]);
    }
    broker.kill();
    // What the last sync covered is in nobody's header yet: only this write may be missing.
    flip(&find_in_journal(broker.data_dir(), "record number 19 of the torn topic."));
    broker.start_again();
    let values: Vec<String> =
        consume(broker.bootstrap(), "torn").iter().map(|found| found.record.value_text()).collect();
    let expected: Vec<String> =
        (0..19).map(|number| format!("record number {number} of the torn topic.")).collect();
    assert_eq!(values, expected);
    assert!(broker.log().contains("unsynced write"), "{}", broker.log());
    produce(broker.bootstrap(), "torn", &[], &[Record::text("after")]);
    let after = consume(broker.bootstrap(), "torn");
    assert_eq!((after.len(), after[19].offset), (20, 19));
}

/// Damage to what was durable is reported with file and position, confined to its partition, and
/// never repaired by forgetting.
#[test]
fn damage_to_durable_records_is_reported_and_confined() {
    let mut broker = Broker::start_strom(&[]);
    for topic in ["damaged", "sound"] {
        create_topic(broker.bootstrap(), topic, 1);
    }
    for number in 0..20 {
        for topic in ["damaged", "sound"] {
            let text = format!("record number {number} of the {topic} topic.");
            produce(broker.bootstrap(), topic, &[], &[Record::text(&text)]);
        }
    }
    broker.stop();
    let marked = find_in_journal(broker.data_dir(), "record number 5 of the damaged topic.");
    flip(&marked);
    broker.start_again();
    let log = broker.log();
    let line = log.lines().find(|line| line.contains("damaged") && line.contains("position"));
    let line = line.unwrap_or_else(|| panic!("no line about the damage in:\n{log}"));
    let file = marked.file.file_name().unwrap().to_str().unwrap();
    assert!(line.contains(file), "{line} does not name {file}");
    assert_eq!(consume(broker.bootstrap(), "sound").len(), 20);
    produce(broker.bootstrap(), "sound", &[], &[Record::text("more")]);
    assert_eq!(consume(broker.bootstrap(), "sound").len(), 21);

    let mut wire = crate::wire::Wire::open(broker.bootstrap());
    let read = crate::refusals::fetched(&mut wire, "damaged", 5);
    assert_eq!(read, KAFKA_STORAGE_ERROR, "the damaged offset is an error, not a gap");
}

/// Damage to the metadata log is restored from its copy: a line names the file, and everything is there.
#[test]
fn damage_to_the_metadata_is_healed_and_told() {
    let mut broker = Broker::start_strom(&[]);
    for topic in ["first", "second"] {
        create_topic(broker.bootstrap(), topic, 1);
        produce(broker.bootstrap(), topic, &[], &[Record::text(topic)]);
    }
    broker.stop();
    let file = broker.data_dir().join("metadata/deltas-0");
    let content = std::fs::read(&file).unwrap();
    let position = content.windows(5).position(|window| window == b"first").unwrap();
    flip(&Marked { file, position });
    broker.start_again();
    let log = broker.log();
    let line = log.lines().find(|line| line.contains("metadata/deltas-0"));
    let line = line.unwrap_or_else(|| panic!("no line about the damage in:\n{log}"));
    for part in ["nothing was lost", "restored from deltas-0.copy", "position"] {
        assert!(line.contains(part), "{line} lacks {part}");
    }
    for topic in ["first", "second"] {
        assert_eq!(consume(broker.bootstrap(), topic).len(), 1);
    }
    broker.stop();
    let before = broker.log().len();
    broker.start_again();
    let log = broker.log();
    assert!(!log[before..].contains("damaged"), "told once:\n{log}");
}

const KAFKA_STORAGE_ERROR: i16 = 56;
