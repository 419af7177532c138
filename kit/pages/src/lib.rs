//! The visual language: layout, forms, tables, icons, the small script.
