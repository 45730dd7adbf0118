//! Events of the kernel as columns and Arrow record batches.

use std::time::Duration;

use arrow_array::{cast::AsArray as _, types::UInt64Type};
use eunomia_runtime::columns::Columns as _;
use eunomia_tests::built::{
    kinds,
    shapes::{self, types::ShapesBatch},
    streams::{Export, types::SampleBatch},
};

use super::{
    Outcome,
    streams::{load, run},
};

pub(crate) fn runs_extend_columns() -> Outcome {
    let skel = load()?;
    let rb = skel.maps()?.rb;
    let mut batch = SampleBatch::default();
    let mut grown = None;
    // The ring wraps, and a cleared batch is filled again without allocating.
    for round in 0..10 {
        batch.clear();
        run(&skel.progs()?.produce, 700, round * 700, 3)?;
        assert_eq!(rb.for_runs(|run| batch.extend(run))?, 700);
        let seqs = round * 700..(round + 1) * 700;
        assert!(
            batch.len() == 700
                && batch.seq.iter().copied().eq(seqs.clone())
                && batch.check.iter().copied().eq(seqs.map(|seq| !seq))
        );
        assert_eq!((&batch.producer, &batch.len), (&vec![3; 700], &vec![64; 700]));
        assert!(
            batch.payload.iter().zip(&batch.seq).all(|(payload, seq)| *payload == [*seq as u8; 40])
        );
        let memory = (batch.seq.as_ptr().addr(), batch.payload.as_ptr().addr());
        assert_eq!(*grown.get_or_insert(memory), memory);
    }
    let (seqs, payloads) = (batch.seq.as_ptr().addr(), batch.payload.as_ptr().addr());
    let arrow = batch.into_record_batch()?;
    let (seq, payload) =
        (arrow.column(0).as_primitive::<UInt64Type>(), arrow.column(4).as_fixed_size_binary());
    assert_eq!(
        (seq.values().as_ptr().addr(), payload.value_data().as_ptr().addr()),
        (seqs, payloads),
        "moved, not copied"
    );
    assert_eq!(
        (seq.len(), seq.value(699), payload.value(699)),
        (700, 6999, &[6999u64 as u8; 40][..])
    );
    Ok(())
}

/// Perf event arrays and polled events have no runs, so events are pushed one at a time.
pub(crate) fn events_are_pushed_to_columns() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.perf, 50, 0, 0)?;
    run(&skel.progs()?.produce, 50, 50, 1)?;
    let mut batch = SampleBatch::default();
    while batch.len() < 100 {
        let count = skel.poll(Duration::from_secs(5), |export| match export {
            Export::Rb(sample) | Export::Events(sample) => batch.push(sample),
            Export::Notes(_) => panic!("no notes were sent"),
        })?;
        assert_ne!(count, 0, "records are missing");
    }
    batch.seq.sort_unstable();
    assert!(batch.seq.into_iter().eq(0..100));
    Ok(())
}

pub(crate) fn all_field_shapes_become_columns() -> Outcome {
    let skel = kinds::open()?.load()?;
    skel.progs()?.send.test_run(None, None)?;
    let mut batch = kinds::types::KindsBatch::default();
    skel.poll(Duration::from_secs(5), |kinds::Export::Rb(event)| batch.push(event))?;
    assert_eq!(
        (batch.u8, batch.i128, batch.flags, batch.color),
        (vec![250], vec![-(1 << 90)], vec![[false, true, false]], vec![2])
    );
    assert_eq!(
        (batch.text.get(0), batch.lines.iter().collect::<Vec<_>>()),
        (Some(&b"with blank"[..]), vec![&b""[..], b"line"])
    );
    assert_eq!(
        (batch.markers_id, batch.markers_at_y, batch.grid),
        (vec![[0, 9]], vec![[0, -9]], vec![[[0; 3], [0, 0, 12]]])
    );
    assert_eq!(
        (batch.f32, batch.f64, batch.pointer),
        (vec![1.25], vec![-0.1], vec![0xffff_8880_0000_0000])
    );

    let skel = shapes::open()?.load()?;
    skel.progs()?.send.test_run(None, None)?;
    let mut batch = ShapesBatch::default();
    skel.poll(Duration::from_secs(5), |shapes::Export::Rb(event)| batch.push(event))?;
    assert_eq!(
        (batch.flags_delta, batch.flags_urgent, batch.flags_mode, batch.flags_huge),
        (vec![-40], vec![true], vec![1], vec![-5])
    );
    assert_eq!(
        (batch.from_v4, batch.tight_number, batch.ratio),
        (vec![0x0102_0304], vec![-77], vec![1.5])
    );
    assert_eq!(
        (batch.tight_stamps, batch.kind, batch.nested_depth),
        (vec![[0, 1 << 40]], vec![2], vec![[0, 6]])
    );
    Ok(())
}
