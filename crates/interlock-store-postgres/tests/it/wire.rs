//! What a client and the server say to each other, word by word: for those who stand between them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp;
use tokio::net::unix::OwnedReadHalf;

/// One word: a letter, its length, and what it says. The first one has no letter.
pub(crate) async fn next_word(from: &mut tcp::OwnedReadHalf, is_first: bool) -> std::io::Result<Vec<u8>> {
    let mut word = Vec::new();
    if !is_first {
        word.push(from.read_u8().await?);
    }
    let length = from.read_u32().await?;
    word.extend(length.to_be_bytes());
    let mut rest = vec![0; usize::try_from(length).unwrap().saturating_sub(4)];
    from.read_exact(&mut rest).await?;
    word.extend(rest);
    Ok(word)
}

/// Hand on what the server says, until nobody listens.
pub(crate) async fn pass_back(mut from_server: OwnedReadHalf, mut to_client: tcp::OwnedWriteHalf) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
        if to_client.write_all(bytes.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

/// The texts of a word, between its zeros.
pub(crate) fn texts(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    word.get(5..).unwrap_or_default().split(|byte| *byte == 0)
}
