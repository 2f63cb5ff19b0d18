package main

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestJobCommands: a letter that was given up is listed, tried again, and let go of;
// a deletion is not.
func TestJobCommands(t *testing.T) {
	o := newOffice(t, "")
	ctx := context.Background()
	a := &app{voice: voice{out: &bytes.Buffer{}, err: &bytes.Buffer{}}, ctx: ctx, env: os.Environ()}
	s, err := a.store()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	o.wants(o.heed(exitDone, "job", "list"), "nothing fails")
	if _, err := s.Import(ctx, []store.Contact{{Email: "ann@example.org"}}, "", false); err != nil {
		t.Fatal(err)
	}
	caseNo, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: "ann@example.org", Mailbox: "desk"})
	if err != nil {
		t.Fatal(err)
	}
	gives := func() {
		t.Helper()
		jobs, err := s.Carry(ctx, "privacy", 9)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("%d jobs, %v", len(jobs), err)
		}
		j, _, err := s.Begin(ctx, jobs[0].ID, jobs[0].Generation, "w")
		if err == nil {
			err = s.FailJob(ctx, j, time.Now(), true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	gives()
	o.wants(o.heed(exitDone, "job", "list"), "write letter 1: failed 1 times", "given up until heed job retry 1")
	o.wants(o.heed(exitDone, "job", "list", "--json"), `"id":"1"`, `"state":"given_up"`, `"about":"letter 1"`)
	o.wants(o.heed(exitUsage, "job", "retry"), "which job", "--all")
	o.wants(o.heed(exitFailed, "job", "retry", "99"), "heed job list")
	o.wants(o.heed(exitDone, "job", "retry", "--all"), "1 tried again")
	o.wants(o.heed(exitFailed, "job", "drop", "1"), "heed job list") // it is tried
	gives()
	o.wants(o.heed(exitDone, "job", "drop", "1"), "dropped")
	if file, err := s.CaseFile(ctx, caseNo); err != nil || len(file.Letters) != 1 || file.Letters[0].State != "dropped" {
		t.Errorf("the case holds %+v, %v", file.Letters, err)
	}
	if _, err := s.ConfirmByStaff(ctx, caseNo, store.Proof{By: "a", Second: "b", How: "passport"}); err != nil {
		t.Fatal(err)
	}
	gives()
	o.wants(o.heed(exitDone, "job", "list"), "erase case 1")
	o.wants(o.heed(exitRefused, "job", "drop", "2"), "only a letter")
}
