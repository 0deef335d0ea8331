// Where long work can be broken off, for programs that have Refocus in them: a Python interpreter looks there
// whether Ctrl-C was pressed.
#pragma once

namespace refocus {

// Called on the thread that asked for the work, at each step of it (a forward pass, a matrix that is packed).
// May throw, which ends the work as any error does. Null, as at first: nothing is called.
using Checkpoint = void (*)();
void set_checkpoint(Checkpoint checkpoint);

void pass_checkpoint();

}  // namespace refocus
