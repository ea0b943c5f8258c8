//! The benchmark as an HTML page and as an SVG picture, without scripts or external requests. Takes [`Results`];
//! changes when their look must change.

use askama::Template;

use super::peer;
use super::result::Results;
use super::table::{MeasureRecord, OURS, Row, Table, program};
use super::wording::{DOUBT, best, counted, heading, introduction, measured, ratio, took_part, value};
use crate::report::chart::{Bar, BarChart, COLOURS, Group, STYLE, Size, Unit};

/// The complete page.
///
/// # Errors
/// Fails if the template cannot be filled in; writing into memory gives no reason for that.
pub fn html(results: &Results) -> Result<String, String> {
    let missing = results.peers.iter().filter_map(|peer| {
        let what = peer.missing.clone()?;
        Some(Missing { title: peer.title.clone(), what, install: peer.install.clone() })
    });
    let page = Page {
        at: results.measured_at.clone(),
        introduction: introduction(results).iter().map(|line| line.replace("**", "").replace('`', "")).collect(),
        figures: results.tables.iter().map(|table| figure(results, table)).collect(),
        peers: took_part(results)
            .map(|peer| Peer {
                title: peer.title.clone(),
                version: peer.version.clone().unwrap_or_default(),
                command: peer.command.clone(),
                configs: peer.configs.iter().map(|config| (config.name.clone(), config.text.clone())).collect(),
            })
            .collect(),
        missing: missing.collect(),
        left_out: results.peers.iter().filter_map(|peer| Some((peer.title.clone(), peer.left_out.clone()?))).collect(),
        tool: results.tool.clone(),
        style: format!("{COLOURS}{STYLE}{}", include_str!("../../templates/report.css")),
    };
    page.render().map_err(|error| format!("report.html: {error}"))
}

#[derive(Template)]
#[template(path = "bench.html")]
struct Page {
    at: String,
    introduction: Vec<String>,
    figures: Vec<Figure>,
    peers: Vec<Peer>,
    missing: Vec<Missing>,
    left_out: Vec<(String, String)>,
    tool: String,
    style: String,
}

struct Figure {
    title: String,
    command: String,
    headings: Vec<String>,
    rows: Vec<Line>,
    best: Vec<String>,
    /// SVG, escaped where it was created.
    charts: Vec<Chart>,
}

struct Chart {
    heading: String,
    wide: String,
    narrow: String,
}

struct Line {
    title: String,
    ours: bool,
    /// Column, number, ratio.
    cells: Vec<(String, String, String)>,
    notes: Vec<String>,
}

struct Peer {
    title: String,
    version: String,
    command: String,
    configs: Vec<(String, String)>,
}

struct Missing {
    title: String,
    what: String,
    install: String,
}

fn figure(results: &Results, table: &Table) -> Figure {
    let record = results.figures.iter().find(|figure| figure.id == table.figure);
    let rows = table.rows.iter().map(|row| Line {
        title: row.title.clone(),
        ours: row.peer == OURS,
        cells: measured(table, row)
            .map(|(measure, cell)| (heading(measure), value(row, cell), ratio(table, row, cell)))
            .collect(),
        notes: row.notes.clone(),
    });
    let charts = table.measures.iter().map(|measure| {
        let chart = chart(table, measure);
        Chart { wide: chart.svg(Size::Wide), narrow: chart.svg(Size::Narrow), heading: chart.title }
    });
    Figure {
        title: table.title.clone(),
        command: record.map(|record| format!("ringway-load {}", record.arguments.join(" "))).unwrap_or_default(),
        headings: table.measures.iter().map(heading).collect(),
        rows: rows.collect(),
        best: table.best.iter().map(|one| best(table, one)).collect(),
        charts: charts.collect(),
    }
}

fn chart(table: &Table, measure: &MeasureRecord) -> BarChart {
    let (unit, _) = unit(measure);
    BarChart {
        title: heading(measure),
        note: String::new(),
        unit,
        groups: vec![Group { label: String::new(), bars: bars(table, measure) }],
    }
}

/// One bar for each row. A peer without the number gets a bar that says so.
fn bars(table: &Table, measure: &MeasureRecord) -> Vec<Bar> {
    let (_, factor) = unit(measure);
    let bar = |row: &Row| {
        let cell = measured(table, row).find(|(known, _)| known.id == measure.id).and_then(|(_, cell)| cell);
        let spread = cell.map(|cell| cell.value);
        Bar {
            label: label(row, row.doubtful),
            value: spread.map(|spread| spread.median * factor),
            range: spread.filter(|spread| spread.rounds > 1).map(|spread| (spread.min * factor, spread.max * factor)),
            color: color(&row.peer),
        }
    };
    let applies = |row: &&Row| {
        row.peer != peer::DIRECT || measured(table, row).any(|(known, cell)| known.id == measure.id && cell.is_some())
    };
    table.rows.iter().filter(applies).map(bar).collect()
}

fn label(row: &Row, doubtful: bool) -> String {
    format!("{}{}", row.title, if doubtful { DOUBT } else { "" })
}

/// The chart's unit, and the factor that converts a number to it.
fn unit(measure: &MeasureRecord) -> (Unit, f64) {
    match measure.unit.as_str() {
        "us" => (Unit::Time, 1e3),
        "/s" => (Unit::PerSecond, 1.0),
        "bytes" => (Unit::Bytes, 1.0),
        "%" => (Unit::Percent, 0.01),
        _ => (Unit::Count, 1.0),
    }
}

/// The colour of a peer. All configurations of a program have the same colour.
fn color(peer: &str) -> usize {
    match program(peer) {
        "ringway" => 0,
        "nginx" => 1,
        "haproxy" => 2,
        "envoy" => 3,
        "traefik" => 4,
        _ => 5,
    }
}

/// The figures in the summary: few enough to see at a glance, and all with the same unit.
const SUMMARY: &[&str] =
    &["echo-64", "echo-16k", "echo-64k", "rate-20000", "handshake", "handshake-full", "handshake-resumed"];

/// The summary picture: CPU per message or handshake of each proxy, as a multiple of Ringway's, so that one axis fits
/// all.
pub fn summary(results: &Results) -> String {
    let known = results.tables.iter().filter(|table| SUMMARY.contains(&table.figure.as_str()));
    let mut groups: Vec<Group> = known.filter_map(multiples).collect();
    if groups.is_empty() {
        // A run without the summary's figures shows all that it has.
        groups = results.tables.iter().filter_map(multiples).collect();
    }
    let chart = BarChart {
        title: "CPU of each proxy, as a percentage of Ringway's".to_owned(),
        note: format!(
            "less is better; median of {}{}; Ringway is 100%{}",
            counted(u64::from(results.how.rounds), "round", "rounds"),
            if results.how.rounds > 1 { ", whiskers: least and most" } else { "" },
            if results.how.quick { "; a quick look, not a measurement" } else { "" }
        ),
        unit: Unit::Percent,
        groups,
    };
    chart.standalone()
}

fn multiples(table: &Table) -> Option<Group> {
    let cpu = table.measures.iter().position(|measure| measure.id == "cpu")?;
    let our_row = table.rows.iter().find(|row| row.peer == OURS)?;
    let (ours, doubtful) = (our_row.cells.get(cpu).copied().flatten()?, our_row.doubtful);
    let bar = |row: &Row| {
        let cell = row.cells.get(cpu).copied().flatten()?;
        // The ratio is Ringway divided by the peer, so it is inverted here.
        let (value, range) = match cell.ratio {
            Some(ratio) if ratio.median > 0.0 => {
                (1.0 / ratio.median, (ratio.rounds > 1).then_some((1.0 / ratio.max, 1.0 / ratio.min)))
            }
            Some(_) => return None,
            None if row.peer == OURS && ours.value.median > 0.0 => (1.0, None),
            None => return None,
        };
        Some(Bar { label: label(row, row.doubtful || doubtful), value: Some(value), range, color: color(&row.peer) })
    };
    let bars: Vec<Bar> = table.rows.iter().filter_map(bar).collect();
    (bars.len() > 1).then(|| Group { label: table.title.clone(), bars })
}
