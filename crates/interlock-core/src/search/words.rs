//! What a word is.

/// The words of a text, in order: runs of letters and digits in lower case. Scripts that write no spaces between words
/// have a word per character, so that any part of a sentence can be found.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for char in text.chars() {
        if stands_alone(char) {
            end(&mut word, &mut words);
            words.push(char.to_string());
        } else if char.is_alphanumeric() {
            word.extend(char.to_lowercase().map(folded));
        } else {
            end(&mut word, &mut words);
        }
    }
    end(&mut word, &mut words);
    words
}

fn end(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

/// The sigma at a word's end is the same letter as elsewhere.
const fn folded(char: char) -> char {
    if char == 'ς' { 'σ' } else { char }
}

/// Han, Hiragana and Katakana.
const fn stands_alone(char: char) -> bool {
    matches!(char, '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
        && char != '\u{30FB}'
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(
            words("  Fix_pushed: src/lib.rs:12 — ÄRGER!"),
            ["fix", "pushed", "src", "lib", "rs", "12", "ärger"]
        );
        assert_eq!(words("ΟΔΟΣ οδος Straße"), ["οδοσ", "οδοσ", "straße"]);
        assert_eq!(words("* \" ' -- \u{1F980} \\"), [""; 0]);
    }

    #[test]
    fn a_character_each_where_no_spaces_are_written() {
        assert_eq!(words("修正abcです・終"), ["修", "正", "abc", "で", "す", "終"]);
    }
}
