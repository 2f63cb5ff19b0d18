package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"heed/mailer/mailertest"
)

// demoCommand tells the whole story on this machine and proves the promises
// from the outside. This process plays the world: the recipients' mail servers,
// the sender's mailboxes, and a few people. It drives heed only as the outside
// can: by command line, SMTP, IMAP and HTTP.
type demoCommand struct {
	Fast bool   `help:"Send five times as fast."`
	Seed uint64 `help:"Another list of people." default:"1" placeholder:"N"`
	Keep bool   `help:"Keep the folder with the database, the keys and the logs, and tell where it is."`
	output
}

// Help says what to expect.
func (demoCommand) Help() string {
	return `Imports 1,000 people, sends them a newsletter and lets some of them act meanwhile: one opts out by mail, one by one click, one asks to be deleted, one reports spam. Half-way the sending process is killed and started again. The proof at the end is counted from what the recipients' servers recorded.

Nothing leaves this machine. On a terminal it stays up to be looked at until Ctrl-C.

Example: heed demo --fast --json`
}

// The paces of the demo, in messages a second.
const (
	watchable = 40
	quick     = 200
)

// Run tells the story.
func (c *demoCommand) Run(a *app) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program's own file: %w", err)
	}
	t := &teller{out: a.out, json: c.JSON}
	if f, is := a.out.(*os.File); is && !c.JSON && terminal(f) {
		t.tty, t.color = true, os.Getenv("NO_COLOR") == "" // https://no-color.org
	}
	sc := scenario{binary: binary, people: people(c.Seed, 1000), rate: watchable, connections: 10, keep: mailertest.KeepAll, open: alone, teller: t}
	if c.Fast {
		sc.rate = quick
	}
	return c.inFolder(a.ctx, sc)
}

// inFolder gives the story a folder of its own.
func (c *demoCommand) inFolder(ctx context.Context, sc scenario) error {
	folder, err := os.MkdirTemp("", "heed-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	if c.Keep {
		sc.teller.tell("note", "everything lies in "+folder+", and stays there", map[string]any{"folder": folder})
	} else {
		defer os.RemoveAll(folder)
	}
	return c.tell(ctx, sc, folder)
}

// tell begins, plays and ends the story.
func (c *demoCommand) tell(ctx context.Context, sc scenario, folder string) error {
	sc.teller.tell("begin", "Nothing leaves this machine: the mail servers, the mailboxes and the people are all played here.", map[string]any{"seed": c.Seed})
	s, err := sc.begin(ctx, folder)
	if err == nil {
		err = s.perform(ctx)
	}
	return errors.Join(err, s.end())
}

var (
	errUnproven = errors.New("the demo failed: a promise was broken")
	errCutShort = errors.New("the demo was stopped before its proof")
)

// perform plays the story and lets a person look around afterwards.
func (s *story) perform(ctx context.Context) error {
	p, err := s.play(ctx)
	s.teller.done()
	switch {
	case ctx.Err() != nil:
		return errCutShort
	case err != nil:
		return fmt.Errorf("the demo broke off: %w", err)
	case !p.OK:
		return errUnproven
	}
	s.stay(ctx)
	return nil
}

// show names the pages that can be looked at, once somebody has a mail with
// links to them.
func (s *story) show(context.Context) error {
	titles := map[string]string{"/u/": "Cy's page to unsubscribe", "/p/": "Cy's page to choose"}
	for _, m := range s.find(kindHello, cy) {
		for _, link := range mailLinks(m.Data) {
			for path, title := range titles {
				if strings.HasPrefix(link, s.web+path) {
					s.tell("url", title+": "+link, map[string]any{"url": link})
				}
			}
		}
	}
	s.tell("url", "figures for Prometheus: "+s.web+"/metrics", map[string]any{"url": s.web + "/metrics"})
	return nil
}

// stay keeps everything up for a person at a terminal.
func (s *story) stay(ctx context.Context) {
	if !s.teller.tty {
		return
	}
	_ = s.show(ctx) // never fails
	s.tell("note", "all of it stays up to be looked at; Ctrl-C ends it", nil)
	<-ctx.Done()
}
