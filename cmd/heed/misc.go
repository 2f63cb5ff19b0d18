package main

import (
	"runtime"
	"runtime/debug"
)

type migrateCommand struct{ output }

// Help shows an example.
func (migrateCommand) Help() string {
	return "Every command does this when it opens the database; run it on its own before a release.\n\nExample: heed migrate"
}

// Run opens the database, which brings it up to date.
func (c *migrateCommand) Run(a *app) error {
	if _, err := a.store(); err != nil {
		return err
	}
	return a.show(map[string]bool{"ok": true}, func() { a.say("the database is up to date") })
}

type versionCommand struct{ output }

// Help shows an example.
func (versionCommand) Help() string { return "Example: heed version --json" }

// versionView names this program.
type versionView struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Run prints what the program was built from.
func (c *versionCommand) Run(a *app) error {
	v := versionView{Version: "unreleased", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return a.show(v, func() { a.say("heed %s (%s, %s, %s)", v.Version, v.Commit, v.Go, v.Platform) })
}
