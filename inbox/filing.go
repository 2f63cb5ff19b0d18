package inbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"heed/consent"
)

// filed is what is to become of a mail that has its effect.
type filed struct {
	folder  string
	stopped []consent.Key // whose open claims are awaited before
}

// filings are mails that have their effect and are still to be moved. In a
// backlog they are moved together: a server may need as long for one as for a
// hundred.
type filings struct {
	folders map[string][]envelope
	stopped []consent.Key
	n       int
}

// enough is how many wait for that at most.
const enough = 500

func (f *filings) add(e envelope, to filed) {
	if f.folders == nil {
		f.folders = map[string][]envelope{}
	}
	f.folders[to.folder] = append(f.folders[to.folder], e)
	f.stopped = append(f.stopped, to.stopped...)
	f.n++
}

// file moves what waits for it. A mail has left us only when no message that
// its writer stopped is under way any more.
func (v *visits) file(ctx context.Context, c *connection) error {
	waiting := v.filing
	v.filing = filings{}
	if len(waiting.stopped) > 0 {
		if _, err := v.Store.AwaitClaims(ctx, waiting.stopped); err != nil {
			return fmt.Errorf("waiting for messages under way: %w", err)
		}
	}
	for folder, mails := range waiting.folders {
		if err := v.moveAll(c, mails, folder); err != nil {
			return err
		}
	}
	return nil
}

// moveAll moves mails together, and one by one where the server refuses: one
// of them may be too large for what is left of the account.
func (v *visits) moveAll(c *connection, mails []envelope, folder string) error {
	gone, err := c.move(mails, folder)
	refusal := (*imap.Error)(nil)
	switch {
	case errors.As(err, &refusal) && len(mails) == 1:
		v.refusedMove(mails[0], folder, refusal)
		return nil
	case errors.As(err, &refusal):
		return v.moveEach(c, mails, folder)
	case err != nil:
		return err
	}
	for _, e := range mails {
		delete(v.filed, e.uid)
		delete(v.troubled, e.uid)
		if !gone {
			v.left[e.uid] = true
		}
	}
	return nil
}

func (v *visits) moveEach(c *connection, mails []envelope, folder string) error {
	for _, e := range mails {
		if err := v.moveAll(c, []envelope{e}, folder); err != nil {
			return err
		}
	}
	return nil
}

// refusedMove keeps a mail where it is, such as for a full account; it is moved
// later, and the others go on.
func (v *visits) refusedMove(e envelope, folder string, refusal *imap.Error) {
	v.log().Error("mail_not_filed", "role", v.Mailbox.Role, "uid", uint32(e.uid), "folder", folder,
		"times", v.trouble(e.uid), "code", string(refusal.Code))
}
