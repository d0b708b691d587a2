//! Spot pools on recorded availability.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use trimtab_sim::Moment;
use trimtab_sim::cluster::{AvailabilitySpec, PoolSpec, SpotSpec};
use trimtab_sim::supply::SupplyEvent;

use super::{at, supply};

#[test]
fn gzip_goes_by_the_name() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("supply-spot.csv.gz");
    let mut file = flate2::write::GzEncoder::new(File::create(&path).unwrap(), Default::default());
    file.write_all(b"t_s,a\n0,7\n60,2\n").unwrap();
    file.finish().unwrap();
    let mut supply = supply(vec![recorded(path, "a", 1)]);
    supply.place(Moment::START).unwrap();
    assert_eq!(supply.next_event(), at(60.0));
}

fn recorded(file: PathBuf, column: &str, nodes_per_unit: u32) -> PoolSpec {
    let availability = AvailabilitySpec {
        file: Some(file),
        column: Some(column.to_owned()),
        nodes_per_unit: Some(nodes_per_unit),
        ..AvailabilitySpec::default()
    };
    PoolSpec {
        gpus_per_node: Some(4),
        spot: Some(SpotSpec { notice_seconds: 120.0, availability }),
        ..PoolSpec::default()
    }
}

/// As many replicas as there can be, on a recorded spot pool: two minutes after any change there are
/// exactly as many nodes as the file says.
#[test]
fn recordings_are_followed() {
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    for (file, column, units) in [
        ("spot_capacity_v100_aws_3zones_16node_2023-08.csv.gz", "us-west-2a_v100_1", 1),
        ("spot_availability_v100_aws_9zones_2023-02.csv.gz", "us-east-1f_v100_1", 3),
    ] {
        let path = shared.join("traces").join(file);
        if !path.exists() {
            eprintln!("skipped: there is no {}", path.display());
            continue;
        }
        follow(&path, column, units);
    }
}

fn follow(path: &Path, column: &str, units: u32) {
    let mut text = String::new();
    let file = File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let index = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    let rows: Vec<(f64, u32)> = lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[index].parse::<u32>().unwrap() * units)
        })
        .collect();

    let mut supply = supply(vec![recorded(path.to_owned(), column, units)]);
    let (mut events, mut losses, mut notices) = (Vec::new(), 0, 0);
    let length = rows[rows.len() - 1].0 + rows[1].0;
    // Once through, and a little of the repetition.
    let again = rows.iter().take(50).map(|&(seconds, nodes)| (seconds + length, nodes));
    for (seconds, nodes) in rows.iter().copied().chain(again) {
        let settled = at(seconds + 121.0);
        while supply.next_event() <= settled {
            let now = supply.next_event();
            supply.advance(now, &mut events);
            for event in events.drain(..) {
                match event {
                    SupplyEvent::Notice { lost_at, .. } => {
                        assert_eq!(lost_at, now.after_seconds(120.0));
                        notices += 1;
                    }
                    SupplyEvent::Lost { .. } => losses += 1,
                    SupplyEvent::Room => while supply.place(now).is_some() {},
                }
            }
        }
        while supply.place(settled).is_some() {}
        assert_eq!(supply.nodes(), nodes as usize, "{column} at {seconds}");
    }
    assert!(losses > 20 && losses == notices, "{losses} of {notices}");
}
