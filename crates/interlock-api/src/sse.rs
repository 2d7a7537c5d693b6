//! Server-sent events as they are read: the part of the format that `follow_events` uses.

/// Bytes of one line. An event with the largest message has fewer.
const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// One block of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// The position after it.
    pub(crate) id: Option<String>,
    /// The event; a block without one only moves the position.
    pub(crate) data: Option<String>,
}

/// Takes bytes as they come, gives blocks as they end.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    block: Block,
}

/// Why a stream cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a line of the event stream is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    #[error("the event stream is no UTF-8")]
    NotText,
}

impl Parser {
    /// Take in some bytes; gives the blocks that ended with them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Block>, Malformed> {
        let mut blocks = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_BYTES_MAX {
                return Err(Malformed::LineTooLong);
            }
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8(line).map_err(|_| Malformed::NotText)?;
                blocks.extend(self.end_line(line.trim_end_matches(['\n', '\r'])));
            }
        }
        Ok(blocks)
    }

    fn end_line(&mut self, line: &str) -> Option<Block> {
        if line.is_empty() {
            let block = std::mem::take(&mut self.block);
            return (block != Block::default()).then_some(block);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.block.id = Some(value.to_owned()),
            "data" => match &mut self.block.data {
                Some(data) => data.extend(["\n", value]),
                None => self.block.data = Some(value.to_owned()),
            },
            // Comments have an empty name; what else there may be is for others.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: &str, data: Option<&str>) -> Block {
        Block { id: Some(id.to_owned()), data: data.map(str::to_owned) }
    }

    #[test]
    fn blocks_are_read_however_they_are_cut() {
        let text = "retry: 1000\nid: start\n\nid: 1.0\ndata: {\"a\":\"ä\"}\n\n: still here\n\nid: 2.0\ndata:x\ndata: y\r\n\r\n";
        let expected =
            [block("start", None), block("1.0", Some("{\"a\":\"ä\"}")), block("2.0", Some("x\ny"))];
        for size in 1..=text.len() {
            let mut parser = Parser::default();
            let blocks: Vec<_> =
                text.as_bytes().chunks(size).flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(blocks, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_block_that_did_not_end_is_none() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"id: 1.0\ndata: {}\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(parser.push(&piece), Ok(Vec::new()));
        assert_eq!(parser.push(b"x"), Err(Malformed::LineTooLong));
        assert_eq!(Parser::default().push(b"data: \xff\n"), Err(Malformed::NotText));
    }
}
