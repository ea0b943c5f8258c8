//! Summary of the runs: medians over the rounds, and ratios taken within each round. Pure.
//!
//! A machine's speed drifts from minute to minute, for all peers alike. A ratio is therefore taken between two runs of
//! one round, which only runs of other peers in that round separate, and the median is taken of the ratios: never a
//! ratio of medians. With eight peers in a round the two runs are close in time but not simultaneous: a drift within a
//! round remains.

use std::collections::BTreeMap;

use super::plan::Better;
use super::result::{FigureRecord, PeerRecord, Run};
use super::table::{Best, Cell, MeasureRecord, OURS, Row, Spread, Table, program};

/// The tables of all figures that have results.
pub fn tables(figures: &[FigureRecord], peers: &[PeerRecord], runs: &[Run]) -> Vec<Table> {
    let tables = figures.iter().map(|figure| Table {
        figure: figure.id.clone(),
        title: figure.title.clone(),
        measures: figure.measures.clone(),
        rows: peers.iter().filter_map(|peer| row(figure, peer, runs)).collect(),
        best: best(figure, peers, runs),
    });
    tables
        .filter(|table| table.rows.iter().any(|row| row.cells.iter().any(Option::is_some) || !row.notes.is_empty()))
        .collect()
}

fn row(figure: &FigureRecord, peer: &PeerRecord, runs: &[Run]) -> Option<Row> {
    let title = peer.title.clone();
    if let Some(reason) = figure.instead.get(&peer.id) {
        let cells = vec![None; figure.measures.len()];
        return Some(Row { peer: peer.id.clone(), title, cells, doubtful: false, notes: vec![reason.clone()] });
    }
    let mine = || runs.iter().filter(|run| run.figure == figure.id && run.peer == peer.id);
    if !figure.takes_part.contains(&peer.id) || mine().next().is_none() {
        return None;
    }
    let cells = figure.measures.iter().map(|measure| cell(figure, &peer.id, &measure.id, runs)).collect();
    let mut notes: Vec<String> = Vec::new();
    for run in mine() {
        for note in run.notes.iter().chain(&run.failure) {
            let note = format!("round {}: {note}", run.round);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    let doubtful = mine().any(Run::is_doubtful);
    Some(Row { peer: peer.id.clone(), title, cells, doubtful, notes })
}

fn best(figure: &FigureRecord, peers: &[PeerRecord], runs: &[Run]) -> Vec<Best> {
    let plain = peers.iter().filter(|peer| peer.id == program(&peer.id) && peer.id != OURS);
    let of = |first: &PeerRecord| {
        let settings: Vec<&str> =
            peers.iter().map(|peer| peer.id.as_str()).filter(|id| program(id) == first.id).collect();
        let ratio = |measure: &MeasureRecord| {
            let mut theirs: BTreeMap<u32, f64> = BTreeMap::new();
            for (round, number) in settings.iter().flat_map(|peer| numbers(figure, peer, &measure.id, runs)) {
                let known = theirs.entry(round).or_insert(number);
                *known = match measure.better {
                    Better::Lower => known.min(number),
                    Better::Higher => known.max(number),
                };
            }
            let theirs: Vec<_> = theirs.into_iter().collect();
            Spread::of(&ratios(&numbers(figure, OURS, &measure.id, runs), &theirs))
        };
        let ratios: Vec<_> = figure.measures.iter().map(ratio).collect();
        let told = settings.len() > 1 && ratios.iter().any(Option::is_some);
        let behind =
            |run: &&Run| run.figure == figure.id && (run.peer == OURS || settings.contains(&run.peer.as_str()));
        let doubtful = runs.iter().filter(behind).any(Run::is_doubtful);
        told.then(|| Best { title: first.title.clone(), ratios, doubtful })
    };
    plain.filter_map(of).collect()
}

/// The numbers measured of a peer, with the round of each.
fn numbers(figure: &FigureRecord, peer: &str, measure: &str, runs: &[Run]) -> Vec<(u32, f64)> {
    let runs = runs.iter().filter(|run| run.figure == figure.id && run.peer == peer);
    runs.filter_map(|run| Some((run.round, *run.values.get(measure)?))).collect()
}

fn cell(figure: &FigureRecord, peer: &str, measure: &str, runs: &[Run]) -> Option<Cell> {
    let of = |peer: &str| numbers(figure, peer, measure, runs);
    let theirs = of(peer);
    let value = Spread::of(&theirs.iter().map(|&(_, number)| number).collect::<Vec<_>>())?;
    let ratio = if peer == OURS { None } else { Spread::of(&ratios(&of(OURS), &theirs)) };
    Some(Cell { value, ratio })
}

/// Ringway's number divided by the peer's, for each round in which both have one.
fn ratios(ours: &[(u32, f64)], theirs: &[(u32, f64)]) -> Vec<f64> {
    let pairs = ours.iter().filter_map(|&(round, mine)| {
        let &(_, other) = theirs.iter().find(|&&(same, _)| same == round)?;
        (other > 0.0).then(|| mine / other)
    });
    pairs.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn figure(id: &str, peers: &[&str]) -> FigureRecord {
        let measure = |id: &str, title: &str, unit: &str, better| MeasureRecord {
            id: id.to_owned(),
            title: title.to_owned(),
            unit: unit.to_owned(),
            better,
        };
        FigureRecord {
            id: id.to_owned(),
            title: format!("Figure {id}"),
            arguments: vec!["echo".to_owned()],
            measures: vec![
                measure("cpu", "CPU a message", "us", Better::Lower),
                measure("rate", "messages", "/s", Better::Higher),
            ],
            takes_part: peers.iter().map(|&peer| peer.to_owned()).collect(),
            instead: BTreeMap::new(),
        }
    }

    pub(in crate::bench) fn peer(id: &str) -> PeerRecord {
        PeerRecord {
            id: id.to_owned(),
            title: id.to_uppercase(),
            version: Some("1.0".to_owned()),
            missing: None,
            left_out: None,
            install: "apt-get install it".to_owned(),
            command: format!("{id} --run"),
            configs: Vec::new(),
        }
    }

    pub(in crate::bench) fn run(peer: &str, round: u32, numbers: &[(&str, f64)]) -> Run {
        Run {
            figure: "f".to_owned(),
            peer: peer.to_owned(),
            round,
            values: numbers.iter().map(|&(measure, number)| (measure.to_owned(), number)).collect(),
            notes: Vec::new(),
            void: false,
            failure: None,
            report: None,
        }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0, rounds: 3 }));
        assert_eq!(Spread::of(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0, rounds: 2 }));
        assert_eq!(Spread::of(&[f64::MAX, f64::MAX]).map(|spread| spread.median), Some(f64::MAX));
        assert_eq!(Spread::of(&[f64::NAN, 5.0]), Some(Spread { median: 5.0, min: 5.0, max: 5.0, rounds: 1 }));
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[f64::INFINITY]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round_and_not_between_medians() {
        // The machine is half as fast in round 2, and only Ringway is disturbed in round 3.
        let runs = [
            run("ringway", 1, &[("cpu", 8.0)]),
            run("nginx", 1, &[("cpu", 10.0)]),
            run("ringway", 2, &[("cpu", 18.0)]),
            run("nginx", 2, &[("cpu", 20.0)]),
            run("ringway", 3, &[("cpu", 30.0)]),
            run("nginx", 3, &[("cpu", 12.0)]),
        ];
        let tables = tables(&[figure("f", &["ringway", "nginx"])], &[peer("ringway"), peer("nginx")], &runs);
        let nginx = tables[0].rows[1].cells[0].expect("a number");
        assert_eq!(nginx.value, Spread { median: 12.0, min: 10.0, max: 20.0, rounds: 3 });
        assert_eq!(nginx.ratio, Some(Spread { median: 0.9, min: 0.8, max: 2.5, rounds: 3 }));
        assert_eq!(tables[0].rows[0].cells[0].expect("a number").ratio, None);
    }

    #[test]
    fn a_round_that_one_of_the_two_has_no_number_of_is_left_out_of_the_ratio() {
        let mut runs = vec![
            run("ringway", 1, &[("cpu", 8.0)]),
            run("nginx", 2, &[("cpu", 4.0)]),
            run("ringway", 2, &[("cpu", 6.0)]),
            run("nginx", 3, &[("cpu", -2.0)]),
            run("ringway", 3, &[("cpu", 6.0)]),
        ];
        let mut broken = run("nginx", 1, &[]);
        broken.failure = Some("it ended".to_owned());
        runs.push(broken);
        let tables = tables(&[figure("f", &["ringway", "nginx"])], &[peer("ringway"), peer("nginx")], &runs);
        let nginx = &tables[0].rows[1];
        let ratio = nginx.cells[0].and_then(|cell| cell.ratio).expect("round 2 has both");
        assert_eq!(ratio, Spread { median: 1.5, min: 1.5, max: 1.5, rounds: 1 });
        assert_eq!(nginx.notes, ["round 1: it ended"]);
        assert_eq!(nginx.cells[1], None);
    }

    #[test]
    fn the_best_of_a_programs_settings_is_taken_within_each_round() {
        let runs = [
            run("ringway", 1, &[("cpu", 8.0), ("rate", 30.0)]),
            run("nginx", 1, &[("cpu", 10.0), ("rate", 20.0)]),
            run("nginx-64k", 1, &[("cpu", 16.0), ("rate", 15.0)]),
            run("ringway", 2, &[("cpu", 9.0)]),
            run("nginx", 2, &[("cpu", 18.0)]),
            run("nginx-64k", 2, &[("cpu", 12.0)]),
            run("envoy", 2, &[("cpu", 1.0)]),
        ];
        let ids = ["ringway", "nginx", "nginx-64k", "envoy"];
        let tables = tables(&[figure("f", &ids)], &ids.map(peer), &runs);
        let [nginx] = tables[0].best.as_slice() else { panic!("{:?}", tables[0].best) };
        assert_eq!(nginx.title, "NGINX");
        assert_eq!(nginx.ratios[0], Some(Spread { median: 0.775, min: 0.75, max: 0.8, rounds: 2 }));
        assert_eq!(nginx.ratios[1], Some(Spread { median: 1.5, min: 1.5, max: 1.5, rounds: 1 }));
    }

    #[test]
    fn a_reason_stands_in_place_of_numbers() {
        let mut figure = figure("f", &["nchan"]);
        figure.instead.insert("ringway".to_owned(), "does not broadcast yet".to_owned());
        let peers = [peer("ringway"), peer("nginx"), peer("nchan")];
        let tables = tables(&[figure], &peers, &[run("nchan", 1, &[("cpu", 2.0)])]);
        let rows: Vec<_> = tables[0].rows.iter().map(|row| (row.peer.as_str(), row.notes.len())).collect();
        assert_eq!(rows, [("ringway", 1), ("nchan", 0)]);
        assert_eq!(tables[0].rows[0].notes, ["does not broadcast yet"]);
        assert_eq!(tables[0].rows[1].cells[0].expect("a number").ratio, None);
    }

    #[test]
    fn a_figure_without_any_run_is_left_out() {
        assert!(tables(&[figure("f", &["ringway"])], &[peer("ringway")], &[]).is_empty());
    }
}
