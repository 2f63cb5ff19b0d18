package templates

import "embed"

// Examples holds newsletter.md and alert.md under examples/: files to begin with, in the form that ParseCampaign and
// ParseAlert read.
//
//go:embed examples/*.md
var Examples embed.FS
