package inbox

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
)

// move files mails whose effect is recorded. It reports whether they have left
// the mailbox.
//
// With MOVE the server does it in one step (RFC 6851 §3.3). Without, each step
// is waited for before the next: a mail must never be marked as deleted whose
// copy failed, which the client library's own fallback does. Only the mails'
// own UIDs are ever expunged (RFC 4315 §2.1): a plain EXPUNGE would remove what
// other programs have marked. Where the server cannot do that, mails stay,
// marked as deleted.
func (c *connection) move(mails []envelope, folder string) (gone bool, err error) {
	gone, err = c.moveInto(mails, folder)
	if refusal := (*imap.Error)(nil); errors.As(err, &refusal) && refusal.Code == imap.ResponseCodeTryCreate {
		if err := c.create(folder); err != nil { // somebody removed the folder
			return false, err
		}
		return c.moveInto(mails, folder)
	}
	return gone, err
}

func (c *connection) moveInto(mails []envelope, folder string) (gone bool, err error) {
	set, unmarked := imap.UIDSet{}, imap.UIDSet{}
	for _, e := range mails {
		set.AddNum(e.uid)
		if !e.deleted || c.caps.Has(imap.CapUIDPlus) {
			unmarked.AddNum(e.uid)
		}
	}
	if c.caps.Has(imap.CapMove) {
		err := c.watched(bulkTime, "moving mails to "+folder, func() error {
			_, err := c.client.Move(set, c.prefix+folder).Wait()
			return err
		})
		return err == nil, err
	}
	if len(unmarked) > 0 {
		if err := c.copyAndMark(unmarked, folder); err != nil {
			return false, err
		}
	}
	if !c.caps.Has(imap.CapUIDPlus) {
		return false, nil
	}
	err = c.watched(bulkTime, "removing copied mails", func() error { return c.client.UIDExpunge(set).Close() })
	return err == nil, err
}

func (c *connection) copyAndMark(set imap.UIDSet, folder string) error {
	err := c.watched(bulkTime, "copying mails to "+folder, func() error {
		_, err := c.client.Copy(set, c.prefix+folder).Wait()
		return err
	})
	if err != nil {
		return err
	}
	err = c.watched(bulkTime, "marking copied mails", func() error {
		flags := imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
		return c.client.Store(set, &flags, nil).Close()
	})
	if err != nil {
		return fmt.Errorf("the mails lie in both folders until the next look: %w", err)
	}
	return nil
}
