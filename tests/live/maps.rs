use eunomia_runtime::Error;
use eunomia_tests::built::kinds::{
    self,
    types::{Color, MarkerT, Point},
};

use super::Outcome;

fn point(x: i16, y: i32) -> Point {
    Point { x, y, ..Point::default() }
}

fn errno(error: &Error) -> Option<i32> {
    match error {
        Error::Kernel(refusal) => refusal.source.raw_os_error(),
        _ => None,
    }
}

pub(crate) fn hash() -> Outcome {
    let skel = kinds::open()?.load()?;
    let maps = skel.maps()?;
    for i in 0..4 {
        maps.markers.insert(&point(i, -1), &MarkerT { id: i as u8, at: point(0, i.into()), ..MarkerT::default() })?;
    }
    assert_eq!(maps.markers.get(&point(2, -1))?.map(|marker| (marker.id, marker.at.y)), Some((2, 2)));
    assert_eq!(maps.markers.get(&point(2, 0))?, None);
    let full = maps.markers.insert(&point(9, 9), &MarkerT::default()).unwrap_err();
    assert_eq!(errno(&full), Some(libc::E2BIG), "{full}");
    assert_eq!((maps.markers.remove(&point(0, -1))?, maps.markers.remove(&point(0, -1))?), (true, false));
    let mut keys: Vec<i16> = maps.markers.iter().map(|entry| entry.map(|(key, _)| key.x)).collect::<Result<_, _>>()?;
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3]);

    maps.by_color.insert(&Color::GREEN, &5)?;
    assert_eq!(maps.by_color.get(&Color::ALSO_GREEN)?, Some(5), "the two are one value");
    maps.sized.insert(b"sixsix", b"ok")?;
    assert_eq!(maps.sized.get(b"sixsix")?, Some(*b"ok"));
    Ok(())
}

pub(crate) fn array() -> Outcome {
    let skel = kinds::open()?.load()?;
    let points = skel.maps()?.points;
    assert_eq!((points.len(), points.get(2)?), (3, Some(Point::default())));
    points.set(2, &point(1, 2))?;
    assert_eq!((points.get(2)?, points.get(3)?), (Some(point(1, 2)), None));
    assert_eq!(errno(&points.set(3, &point(1, 2)).unwrap_err()), Some(libc::E2BIG));
    Ok(())
}

pub(crate) fn wrong_types_are_refused() -> Outcome {
    let skel = kinds::open()?.load()?;
    let map = |name| skel.object().map(name);
    let size = map("markers")?.into_hash_map::<u32, u64>().unwrap_err();
    assert_eq!(size.to_string(), "map `markers`: the map has keys of 8 and values of 12 bytes, the types have 4 and 8");
    let kind = map("markers")?.into_array::<u64>().unwrap_err();
    assert_eq!(kind.to_string(), "map `markers`: the map is of type Hash, not [Array]");
    Ok(())
}
