//! The style sheet and the script that a page with charts needs.

use std::fmt::Write as _;

/// Every colour: its name, and its value in the light and the dark theme.
const TOKENS: [(&str, &str, &str); 23] = [
    ("bg", "#ffffff", "#0d1117"),
    ("panel", "#f6f8fa", "#161b22"),
    ("line", "#d0d7de", "#30363d"),
    ("text", "#1f2328", "#e6edf3"),
    ("muted", "#59636e", "#9198a1"),
    ("accent", "#0969da", "#4493f8"),
    ("good", "#1a7f37", "#3fb950"),
    ("warning", "#9a6700", "#d29922"),
    ("critical", "#cf222e", "#f85149"),
    ("unknown", "#6e7781", "#8b949e"),
    // The categories, by Okabe and Ito.
    ("network", "#0072b2", "#0072b2"),
    ("parsing", "#e69f00", "#e69f00"),
    ("database", "#cc79a7", "#cc79a7"),
    ("rate_limit", "#d55e00", "#d55e00"),
    ("authentication", "#f0e442", "#f0e442"),
    ("site_change", "#009e73", "#009e73"),
    ("system", "#56b4e9", "#56b4e9"),
    // The outline of yellow, which is hardly visible on a light background.
    ("outline", "#6b6300", "#f0e442"),
    // The colours of lines after the first, which has the accent colour.
    ("s1", "#d55e00", "#e8772e"),
    ("s2", "#008a65", "#14b88a"),
    ("s3", "#b85c91", "#cc79a7"),
    ("s4", "#3a8fc4", "#56b4e9"),
    ("s5", "#b87f00", "#e69f00"),
];

/// The CSS of charts and tables: the colours for light and dark as custom properties (`--bg`,
/// `--text`, `--accent`, …), and the classes that charts use.
///
/// The system preference selects the theme, unless the root element has `data-theme="light"` or
/// `"dark"`. Print is always light.
pub fn css() -> String {
    let mut light = String::from("color-scheme:light;");
    let mut dark = String::from("color-scheme:dark;");
    for (name, on_light, on_dark) in TOKENS {
        let _ = write!(light, "--{name}:{on_light};");
        let _ = write!(dark, "--{name}:{on_dark};");
    }
    format!(
        ":root{{{light}}}\n\
         @media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n\
         :root[data-theme=light]{{{light}}}\n\
         :root[data-theme=dark]{{{dark}}}\n\
         @media print{{:root,:root[data-theme]{{{light}}}}}\n{}",
        include_str!("charts.css")
    )
}

/// The JavaScript: shows values under the pointer or by arrow keys, sorts and filters tables, copies on click.
///
/// It has no dependencies, builds no markup from text, and is the same for every page, so a content
/// security policy can name its hash. Put it at the end of the page, or load it with `defer`.
pub fn script() -> &'static str {
    include_str!("charts.js")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast ratio of two colours, according to WCAG 2.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |hex: &str| -> f64 {
            let channel = |i: usize| {
                let value = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_lines_have_contrast() {
        let grounds = (TOKENS[0].1, TOKENS[0].2);
        for (name, light, dark) in TOKENS {
            let least = match name {
                "text" | "muted" | "accent" | "good" | "warning" | "critical" => 4.5,
                "s1" | "s2" | "s3" | "s4" | "s5" | "outline" => 3.0,
                _ => continue,
            };
            assert!(contrast(light, grounds.0) >= least, "{name} on light");
            assert!(contrast(dark, grounds.1) >= least, "{name} on dark");
        }
    }

    #[test]
    fn the_script_is_small_and_builds_no_markup() {
        assert!(script().len() < 7 * 1024, "{} bytes", script().len());
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "Function(",
            "</",
        ] {
            assert!(!script().contains(word), "{word}");
        }
    }
}
