//! Plots, as SVG.

use std::{error::Error, path::Path};

use plotters::{coord::Shift, prelude::*};

use super::{
    contestants::Contestant,
    growth::{Axis, Costs},
    report::Spread,
};

const OURS: RGBColor = RGBColor(31, 119, 180);
const THEIRS: RGBColor = RGBColor(150, 150, 150);

/// A bar for each contestant: its cost, with the spread as a line.
pub(crate) fn costs(costs: &[(Contestant, Spread)], file: &Path) -> Result<(), Box<dyn Error>> {
    let most = costs.iter().map(|(_, cost)| cost.largest).fold(1.0, f64::max) * 1.1;
    let area = SVGBackend::new(file, (960, 360)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Time that a request takes beyond Envoy without a filter", ("sans-serif", 18))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(330)
        .build_cartesian_2d(0.0..most, (0..costs.len()).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("microseconds, one worker; the line is from the least to the largest start")
        .y_label_formatter(&|segment| match segment {
            SegmentValue::CenterOf(index) => {
                costs.get(*index).map_or_else(String::new, |(one, _)| one.title().to_owned())
            }
            _ => String::new(),
        })
        .draw()?;
    let colour = |contestant: &Contestant| match contestant {
        Contestant::GatepassWarm | Contestant::GatepassNew => OURS,
        _ => THEIRS,
    };
    chart.draw_series(costs.iter().enumerate().map(|(index, (contestant, cost))| {
        let corners = [(0.0, SegmentValue::Exact(index)), (cost.median, SegmentValue::Exact(index + 1))];
        let mut bar = Rectangle::new(corners, colour(contestant).filled());
        bar.set_margin(5, 5, 0, 0);
        bar
    }))?;
    chart.draw_series(costs.iter().enumerate().map(|(index, (_, cost))| {
        let at = SegmentValue::CenterOf(index);
        PathElement::new([(cost.least, at.clone()), (cost.largest, at)], BLACK.stroke_width(2))
    }))?;
    area.present()?;
    Ok(())
}

/// A curve for each thing that there may be more of.
pub(crate) fn growth(costs: &Costs, file: &Path) -> Result<(), Box<dyn Error>> {
    let most = costs.values().flatten().map(|(_, cost)| *cost).fold(1.0, f64::max) * 1.2;
    let area = SVGBackend::new(file, (960, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled("Time that Gatepass adds to a request, in microseconds", ("sans-serif", 18))?;
    for (place, (axis, costs)) in area.split_evenly((2, 2)).iter().zip(costs) {
        curve(place, *axis, costs, most)?;
    }
    area.present()?;
    Ok(())
}

fn curve(
    place: &DrawingArea<SVGBackend<'_>, Shift>,
    axis: Axis,
    costs: &[(usize, f64)],
    most: f64,
) -> Result<(), Box<dyn Error>> {
    // At even distances, as each point is a multiple of the one before.
    let at = |index: usize| index as f64;
    let labels: Vec<_> = costs.iter().map(|(number, _)| number.to_string()).collect();
    let mut chart = ChartBuilder::on(place)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(36)
        .build_cartesian_2d(-0.3..at(costs.len()) - 0.7, 0.0..most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(costs.len() * 2)
        .x_desc(axis.title())
        .x_label_formatter(&|x| {
            let is_whole = (x - x.round()).abs() < 1e-6 && *x > -0.1;
            let label = is_whole.then(|| labels.get(x.round() as usize)).flatten();
            label.cloned().unwrap_or_default()
        })
        .draw()?;
    let points = || costs.iter().enumerate().map(|(index, (_, cost))| (at(index), *cost));
    chart.draw_series(LineSeries::new(points(), OURS.stroke_width(2)))?;
    chart.draw_series(points().map(|point| Circle::new(point, 4, OURS.filled())))?;
    Ok(())
}
