//! The license portal: distributors, projects, servers, issue, update, return, history.
