//! Every operation on APIs: checked, made in one transaction, and in force when it is answered.
