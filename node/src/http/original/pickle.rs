//! Python's pickle format, protocol 2, written only: a list of lists of numbers and texts. Nothing here ever reads one,
//! because reading a pickle runs what it says.

use blockchat_ledger::Amount;

use super::rows::{Cell, Row};

const PROTOCOL_2: &[u8] = &[0x80, 2];
const EMPTY_LIST: u8 = b']';
const MARK: u8 = b'(';
const APPENDS: u8 = b'e';
const STOP: u8 = b'.';
/// 4 bytes, little endian, signed.
const BININT: u8 = b'J';
/// One byte of length, then that many bytes, little endian, two's complement.
const LONG1: u8 = 0x8a;
/// 8 bytes, big endian, IEEE 754.
const BINFLOAT: u8 = b'G';
/// 4 bytes of length, little endian, then UTF-8.
const BINUNICODE: u8 = b'X';

/// The rows as a pickled list of lists.
pub fn list(rows: &[Row]) -> Vec<u8> {
    let mut out = PROTOCOL_2.to_vec();
    out.extend([EMPTY_LIST, MARK]);
    for row in rows {
        out.extend([EMPTY_LIST, MARK]);
        for cell in row {
            write(&mut out, cell);
        }
        out.push(APPENDS);
    }
    out.extend([APPENDS, STOP]);
    out
}

fn write(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Id(id) => integer(out, u64::from(*id)),
        Cell::Amount(amount) => money(out, *amount),
        Cell::Text(text) => {
            // Longer than 4 GiB: not from a message of 16 KiB.
            let length = u32::try_from(text.len()).unwrap_or(0);
            out.push(BINUNICODE);
            out.extend(length.to_le_bytes());
            out.extend(text.bytes().take(length as usize));
        }
    }
}

/// An integer when whole, otherwise a float, as the original has them. For display: nothing is computed with it.
fn money(out: &mut Vec<u8>, amount: Amount) {
    let micros = amount.micros();
    if micros.is_multiple_of(Amount::MICROS_PER_BCC) {
        return integer(out, micros / Amount::MICROS_PER_BCC);
    }
    // The decimal text gives the nearest float; a division would round twice.
    let nearest: f64 = amount.to_string().parse().unwrap_or(f64::NAN);
    out.push(BINFLOAT);
    out.extend(nearest.to_be_bytes());
}

fn integer(out: &mut Vec<u8>, value: u64) {
    if let Ok(small) = i32::try_from(value) {
        out.push(BININT);
        out.extend(small.to_le_bytes());
    } else {
        // One byte more than the number has, so that the sign bit is clear.
        out.extend([LONG1, 9]);
        out.extend(value.to_le_bytes());
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let row = vec![Cell::Id(1), Cell::Text("--".to_owned())];
        let expected =
            [0x80, 2, b']', b'(', b']', b'(', b'J', 1, 0, 0, 0, b'X', 2, 0, 0, 0, b'-', b'-', b'e', b'e', b'.'];
        assert_eq!(list(&[row]), expected);
    }

    /// Python itself reads what is written.
    #[test]
    fn python_reads_it() {
        let amount = |text: &str| Cell::Amount(text.parse().unwrap());
        let text = |text: &str| Cell::Text(text.to_owned());
        let rows = [
            vec![Cell::Id(0), Cell::Id(65_535), amount("12.5"), text("héllo \u{1f600}\n'\\"), text("None")],
            vec![amount("0.000001"), amount("5000000000"), amount("18446744073709"), amount("987.185"), text("")],
            vec![],
        ];
        let mut python = Command::new("python3")
            .args(["-c", "import pickle,sys;sys.stdout.write(ascii(pickle.load(sys.stdin.buffer)))"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3, which the original is written in");
        python.stdin.take().unwrap().write_all(&list(&rows)).unwrap();
        let output = python.wait_with_output().unwrap();
        let expected = concat!(
            r#"[[0, 65535, 12.5, "h\xe9llo \U0001f600\n'\\", 'None'], "#,
            r"[1e-06, 5000000000, 18446744073709, 987.185, ''], []]"
        );
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}
